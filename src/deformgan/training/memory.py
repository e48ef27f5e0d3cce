"""How much memory a run takes, and how much there is."""

import os
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def memory_in_use(device: torch.device) -> int:
    """Gives the most bytes that were in use on a device so far; on the CPU those of this process.

    0 where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        # Not of `resource`: there a process begins with the peak of the one that started it.
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
    """Gives how many bytes a device has; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return 0
