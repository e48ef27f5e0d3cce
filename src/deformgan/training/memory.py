"""Memory used by a run, and available memory."""

import os
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def memory_in_use(device: torch.device) -> int:
    """Return the peak memory used on a device, in bytes; on the CPU that of this process.

    Returns 0 if the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        # Not from `resource`, where a process starts with the peak of its parent.
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    try:
        import resource  # not on every system
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_limit(device: torch.device) -> int:
    """Return the total memory of a device, in bytes; 0 if the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return 0
