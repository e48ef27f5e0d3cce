"""Synthetic: rendered people as `deformgan data synthesize` writes them."""

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
    """Rendered people in the layout of Market-1501, with what only a renderer knows.

    Beside `bounding_box_train` and `annotation.csv` there may be `masks` and `backgrounds`, with a
    picture for every image, and `surfaces`: its name but for the suffix. They are read at first
    use.
    """

    @cached_property
    def masks(self) -> UInt8[Tensor, "images height width"] | None:
        """How much of every pixel the person covers, in 0..255; None if the folder is absent."""
        masks = self._beside(MASKS)
        return None if masks is None else masks[:, 0]

    @cached_property
    def backgrounds(self) -> UInt8[Tensor, "images 3 height width"] | None:
        """The same places without the person, RGB; None if the folder is absent."""
        return self._beside(BACKGROUNDS)

    @cached_property
    def surfaces(self) -> SurfaceSet | None:
        """Which place on the body at rest every pixel shows; None if the folder is absent.

        Photos must have the size of the images: places cannot be resized.
        """
        folder = self._root() / SURFACES
        if not folder.is_dir():
            return None
        return SurfaceSet.read([folder / f"{path.stem}.npz" for path in self.paths], self.size)

    @staticmethod
    def matches(root: Path) -> bool:
        """Tells whether a folder looks like this data set; without these folders it is Market's."""
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
                f"{folder} has no picture {missing.stem!r}, as it has of other images."
            )
        paths = [files[path.stem] for path in self.paths]
        return load_images(paths, self.size, self.framings, self.cache)
