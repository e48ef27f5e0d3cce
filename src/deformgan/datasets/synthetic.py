"""Synthetic: rendered people as written by `deformgan data synthesize`."""

from functools import cached_property
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from deformgan.datasets.image_cache import load_images
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.surfaces import SURFACES, SurfaceSet
from deformgan.errors import InputError

MASKS, BACKGROUNDS = "masks", "backgrounds"


class Synthetic(Market1501):
    """Rendered people in the layout of Market-1501, with the renderer's ground truth.

    Beside `bounding_box_train` and `annotation.csv`, there may be folders `masks`, `backgrounds`
    and `surfaces`, with one file per image, named alike except for the suffix. They are read at
    first use.
    """

    @cached_property
    def masks(self) -> UInt8[Tensor, "images height width"] | None:
        """Coverage of each pixel by the person, in 0..255; None if the folder is absent."""
        masks = self._beside(MASKS)
        return None if masks is None else masks[:, 0]

    @cached_property
    def backgrounds(self) -> UInt8[Tensor, "images 3 height width"] | None:
        """The same scenes without the person, RGB; None if the folder is absent."""
        return self._beside(BACKGROUNDS)

    @cached_property
    def surfaces(self) -> SurfaceSet | None:
        """Position of each pixel on the body at rest; None if the folder is absent.

        Photos must have the size of the images, because positions cannot be resized.
        """
        folder = self._root() / SURFACES
        if not folder.is_dir():
            return None
        return SurfaceSet.read([folder / f"{path.stem}.npz" for path in self.paths], self.size)

    @staticmethod
    def matches(root: Path) -> bool:
        """Return whether a folder looks like this data set: Market's plus one of its folders."""
        return Market1501.matches(root) and any(
            (root / name).is_dir() for name in (MASKS, BACKGROUNDS, SURFACES)
        )

    def _root(self) -> Path:
        images = self.paths[0].parent
        return images.parent if images.name.startswith("bounding_box") else images

    def _beside(self, name: str) -> UInt8[Tensor, "images 3 height width"] | None:
        folder = self._root() / name
        if not folder.is_dir():
            return None
        files = {path.stem: path for path in folder.rglob("*") if path.is_file()}
        missing = next((path for path in self.paths if path.stem not in files), None)
        if missing is not None:
            raise InputError(
                f"{folder} has no picture {missing.stem!r}, although it has some for other images."
            )
        paths = [files[path.stem] for path in self.paths]
        return load_images(paths, self.size, self.framings, self.cache)
