"""open_fabric: device and processes of a run."""

import os
from typing import Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from deformgan.training.config import Precision


@runtime_checkable
class Precise(Protocol):
    """The precision setting of a run's configuration."""

    @property
    def precision(self) -> Precision:
        """Precision of convolutions."""
        ...


def open_fabric(device: torch.device, some_unused: bool = False) -> Fabric:
    """Set up training in one process, or in one of the processes started by `torchrun`.

    Args:
        device: Device to train on. Each of several processes uses the GPU with its local rank; they
            communicate by NCCL on GPUs and by gloo on CPUs.
        some_unused: Whether a step may leave weights without a gradient, such as those of a
            discriminator branch for large images. Processes then search for them at every step.
    """
    on_gpu = device.type == "cuda"
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        devices = 1 if device.index is None or not on_gpu else [device.index]
        fabric = Fabric(accelerator=device.type, devices=devices)
    else:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        fabric = Fabric(
            accelerator=device.type,
            devices=local,
            num_nodes=int(os.environ["WORLD_SIZE"]) // local,
            strategy=DDPStrategy(
                process_group_backend="nccl" if on_gpu else "gloo",
                broadcast_buffers=False,
                find_unused_parameters=some_unused,
            ),
        )
    fabric.launch()
    return fabric


def autocast(config: Precise, device: torch.device) -> torch.autocast:
    """Return the autocast context that runs convolutions in the precision of the run.

    Fabric's own autocast is not used: it copies the inputs of a network, which fails for our frozen
    views.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(config, device))


def uses_bfloat16(config: Precise, device: torch.device) -> bool:
    """Return whether convolutions run in bfloat16 under `config.precision`."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older torch cannot detect support; float32 is always correct, if not always fastest.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
