"""Fused Triton kernels of the method's two costly operations, and the one choice to use them.

The operations are defined in PyTorch, in `deformable_skip` and `losses.nearest_neighbour`, and run
on any device. On a GPU with Triton (extra `gpu`; it comes with PyTorch for CUDA) they run as one
kernel per direction instead, with the same numbers.
"""

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor

Operation = Literal["warp_parts", "nearest_distance"]

# A kernel marks the winners among the parts, or in the window, as the bits of one integer.
MOST_PARTS = 62
MOST_WINDOW = 7

_enabled = True


@contextmanager
def in_pytorch() -> Generator[None]:
    """Compute in PyTorch even where there is a kernel, to compare the two."""
    global _enabled  # noqa: PLW0603
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def find_kernel(operation: Operation, tensor: Tensor, size: int) -> Callable[..., Any] | None:
    """Return the Triton implementation of an operation, or None if PyTorch computes it.

    Args:
        operation: Name of the operation.
        tensor: One of its inputs.
        size: Number of parts, or side of the search window.
    """
    largest = MOST_PARTS if operation == "warp_parts" else MOST_WINDOW
    if not _enabled or not tensor.is_cuda or size > largest or not _runs_on(tensor.device):
        return None
    return getattr(import_module(f"deformgan.kernels.{operation}"), operation)


@torch.compiler.assume_constant_result
@cache
def _runs_on(device: torch.device) -> bool:
    """Return whether Triton compiles and runs kernels on a device.

    Triton can be installed on a machine where it does not work, for example without a C compiler
    or with an old GPU.
    """
    if find_spec("triton") is None:
        return False
    try:
        from deformgan.kernels.nearest_distance import nearest_distance

        nearest_distance(*torch.zeros(2, 1, 1, 1, 1, device=device).unbind(), 1)
    except Exception as error:  # whatever Triton or the driver raises
        warnings.warn(
            f"Triton does not work on {device} ({error}); PyTorch is used instead.", stacklevel=2
        )
        return False
    return True
