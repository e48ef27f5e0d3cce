"""find_device, choose_precision: where to compute, and how precisely."""

import logging
from functools import cache
from typing import Literal, get_args

import torch

from deformgan.errors import InputError

Precision = Literal["auto", "float32", "bfloat16"]

_log = logging.getLogger(__name__)


def find_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        device: "auto" selects a GPU if there is one and logs which; otherwise a name that torch
            knows, such as "cpu" or "cuda:1".

    Raises:
        InputError: If the device is not available.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        _log_once(f"Computing on {torch.cuda.get_device_name()}.")
        return torch.device("cuda")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(
            f"The device {str(device)!r} is not available; use cpu, or cuda on a machine with a "
            "GPU."
        ) from None
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Return the precision to compute in.

    Args:
        precision: One of `Precision`; "auto" selects bfloat16 where the device has units for it.
        device: Device to compute on.

    Raises:
        InputError: If there is no such precision.
    """
    if precision not in get_args(Precision):
        raise InputError(
            f"precision= is {precision!r}; it must be one of {', '.join(get_args(Precision))}."
        )
    rough = precision == "bfloat16" or (precision == "auto" and computes_bfloat16(device))
    return "bfloat16" if rough else "float32"


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether a device has units for bfloat16; elsewhere it is emulated, which is slow."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older torch cannot detect support; float32 is always correct, if not always fastest.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@cache
def _log_once(message: str) -> None:
    _log.warning(message)
