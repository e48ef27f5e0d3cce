"""open_fabric: the device and the processes of a run."""

import atexit
import os
from typing import Protocol, runtime_checkable

import torch
import torch.distributed as dist

from deformgan.training.config import Precision
from deformgan.training.distributed import Fabric


@runtime_checkable
class Precise(Protocol):
    """A run's configuration, of which this needs to know one thing."""

    @property
    def precision(self) -> Precision:
        """Of convolutions."""
        ...


def open_fabric(device: torch.device, some_unused: bool = False) -> Fabric:
    """Gets ready to train, alone or as one of the processes that `torchrun` started.

    Args:
        device: Where to train. Of several processes each takes the GPU of its own number; they
            speak by NCCL on GPUs and by gloo on CPUs.
        some_unused: Whether a step may leave weights without a gradient, such as those of a judge
            that looks at large images only. Processes then look for them in every step.
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
    return Fabric(device, dist.get_rank(), dist.get_world_size(), some_unused)


def autocast(config: Precise, device: torch.device) -> torch.autocast:
    """Lets convolutions run in the precision of the run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(config, device))


def uses_bfloat16(config: Precise, device: torch.device) -> bool:
    """Tells whether convolutions run in bfloat16 under `config.precision`."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older torch cannot tell: float32 is always right, if not always fastest.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
