"""A network of TensorFlow Lite that says what the test wants."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


class _Network:
    """The part of the interpreter that adapters use."""

    def __init__(self, size: int, dtype: type, outputs: list[tuple]):
        self.shape, self.dtype = (1, size, size, 3), dtype
        self.outputs = [np.broadcast_to(np.float32(value), shape) for shape, value in outputs]
        self.seen = None

    def get_input_details(self):
        return [{"index": 0, "shape": np.array(self.shape), "dtype": self.dtype}]

    def get_output_details(self):
        return [
            {"index": place, "shape": np.array(output.shape)}
            for place, output in enumerate(self.outputs, start=7)
        ]

    def set_tensor(self, index, values):
        assert (index, values.shape, values.dtype) == (0, self.shape, self.dtype)
        self.seen = values

    def invoke(self):
        assert self.seen is not None

    def get_tensor(self, index):
        return self.outputs[index - 7]


@pytest.fixture(scope="session")
def tflite_network() -> Callable[..., Any]:
    """Return a function that makes a network.

    It takes the side of the input, its type, and the outputs as pairs of shape and values; what the
    network was shown last is its attribute `seen`.
    """
    return _Network
