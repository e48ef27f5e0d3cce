"""Trivial augmenters as baselines for generators, computed from the photos on the fly."""

from collections.abc import Callable
from pathlib import Path

from deformgan.reid.augmenter import Augmenter
from deformgan.reid.simple_augmenters.affine import Affine
from deformgan.reid.simple_augmenters.copy import Copy
from deformgan.reid.simple_augmenters.jitter import Jitter

SIMPLE_AUGMENTERS: dict[str, Callable[[Path, tuple[int, int]], Augmenter]] = {
    "copy": lambda _data, _size: Copy(),
    "jitter": lambda _data, _size: Jitter(),
    "affine": Affine.open,
}
"""Factories by name, called with the data set folder and the (height, width) of images."""
