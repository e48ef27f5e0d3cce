"""compiled: loops over pixels at the speed of machine code."""

import inspect
from collections.abc import Callable

import numba


def compiled(function: Callable) -> Callable:
    """Compiles a function with numba and keeps the result beside the source for the next start.

    What the compiler gets is the bare function: the shape checks that the tests put round every
    function are Python that it cannot translate.
    """
    return numba.njit(cache=True)(inspect.unwrap(function))
