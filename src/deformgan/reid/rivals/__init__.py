"""Rivals: trivial augmenters as baselines for generators, computed on the fly from the photos."""

from collections.abc import Callable
from pathlib import Path

from deformgan.reid.augmenter import Augmenter
from deformgan.reid.rivals.affine import Affine
from deformgan.reid.rivals.copy import Copy
from deformgan.reid.rivals.jitter import Jitter

RIVALS: dict[str, Callable[[Path, tuple[int, int]], Augmenter]] = {
    "copy": lambda _data, _size: Copy(),
    "jitter": lambda _data, _size: Jitter(),
    "affine": Affine.open,
}
"""Factories by name, called with the data set folder and the (height, width) of images."""
