"""compiled: just-in-time compilation of pixel loops."""

import inspect
from collections.abc import Callable

import numba


def compiled(function: Callable) -> Callable:
    """Compile a function with numba and cache the result beside the source.

    The function is unwrapped first: the shape checks with which the tests wrap every function are
    Python that numba cannot compile.
    """
    return numba.njit(cache=True)(inspect.unwrap(function))
