"""describe_machine: what a benchmark ran on."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from deformgan.provenance import provenance


def describe_machine(device: str) -> dict[str, Any]:
    """Return the hardware, the software versions and the current load of the machine."""
    cpu = platform.processor() or platform.machine()
    details = Path("/proc/cpuinfo")
    if details.exists():
        names = [line for line in details.read_text().splitlines() if "model name" in line]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    machine = {
        **provenance(),
        "torch": torch.__version__,
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if torch.device(device).type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(device)
    if hasattr(os, "getloadavg"):
        machine["load"] = round(os.getloadavg()[0], 2)
    return machine
