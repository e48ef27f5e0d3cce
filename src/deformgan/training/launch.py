"""open_fabric: device and processes of a run."""

import atexit
import os
from typing import Protocol, runtime_checkable

import torch
import torch.distributed as dist

from deformgan.device import Precision, choose_precision
from deformgan.training.distributed import Fabric


@runtime_checkable
class Precise(Protocol):
    """The precision setting of a run's configuration."""

    @property
    def precision(self) -> Precision:
        """Precision of convolutions."""
        ...


def open_fabric(device: torch.device) -> Fabric:
    """Set up training in one process, or in one of the processes started by `torchrun`.

    Args:
        device: Device to train on. Each of several processes uses the GPU with its local rank; they
            communicate by NCCL on GPUs and by gloo on CPUs.
    """
    several = "TORCHELASTIC_RUN_ID" in os.environ
    if device.type == "cuda":
        index = int(os.environ["LOCAL_RANK"]) if several else device.index or 0
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
    if not several:
        return Fabric(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return Fabric(device, dist.get_rank(), dist.get_world_size())


def autocast(config: Precise, device: torch.device) -> torch.autocast:
    """Return the autocast context that runs convolutions in the precision of the run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(config, device))


def uses_bfloat16(config: Precise, device: torch.device) -> bool:
    """Return whether convolutions run in bfloat16 under `config.precision`."""
    return choose_precision(config.precision, device) == "bfloat16"
