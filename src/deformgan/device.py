"""find_device: where to compute."""

import logging
from functools import cache

import torch

from deformgan.errors import InputError

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


@cache
def _log_once(message: str) -> None:
    _log.warning(message)
