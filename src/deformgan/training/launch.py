"""open_fabric: the device and the processes of a run."""

import os
from typing import Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from deformgan.training.config import Precision


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
    """Lets convolutions run in the precision of the run.

    Not Fabric's own, which would copy what a network is given and cannot copy our frozen views.
    """
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
