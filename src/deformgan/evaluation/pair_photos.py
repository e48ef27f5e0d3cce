"""PairPhotos: photos and poses of a list of test pairs, read on demand."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from deformgan.datasets.pairs import read_pairs
from deformgan.errors import InputError, shortened
from deformgan.photo_file import list_photos, photo_size, read_photo
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import Annotations, read_annotations

_NAMED = 3  # names listed in an error message; the rest is counted


@dataclass(frozen=True)
class PairPhotos:
    """A list of (source, target) pairs with their photos and poses.

    Photos are read in batches and not kept in memory, so that the list can have any length.

    Attributes:
        folder: Folder of the photos.
        pairs: (source, target) file names.
        annotations: Poses of all photos, in pixels.
    """

    folder: Path
    pairs: Sequence[tuple[str, str]]
    annotations: Annotations

    @staticmethod
    def open(
        images: Path, annotations: Path, pairs: Path, skeleton: Skeleton | None = None
    ) -> "PairPhotos":
        """Read a pair list and check that all its photos and poses exist.

        Args:
            images: Folder of the photos.
            annotations: Pose file of any supported format.
            pairs: CSV table with the columns `from,to`.
            skeleton: See `read_annotations`.
        """
        if not images.is_dir():
            raise InputError(f"The folder of images {images} does not exist.")
        listed = read_pairs(pairs)
        if not listed:
            raise InputError(f"{pairs} lists no pair.")
        table = read_annotations(annotations, skeleton)
        names = list(dict.fromkeys(name for pair in listed for name in pair))
        if without := [name for name in names if name not in table]:
            raise InputError(f"{annotations} has no pose for {_some(without)}, listed in {pairs}.")
        if missing := [name for name in names if not (images / name).is_file()]:
            raise InputError(f"{images} lacks {_some(missing)}, listed in {pairs}.")
        return PairPhotos(images, listed, table)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of the poses."""
        return self.annotations.skeleton

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every pair's target photo."""
        size = lru_cache(maxsize=None)(photo_size)
        return [size(self.folder / target) for _, target in self.pairs]

    def of_one_source_size(self, rows: Sequence[int]) -> list[list[int]]:
        """Group rows by the size of their source photos, in order of first occurrence."""
        parts: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            parts.setdefault(photo_size(self.folder / self.pairs[row][0]), []).append(row)
        return list(parts.values())

    def poses_sum(self) -> str:
        """Return the SHA-256 of the poses of all pairs, in order."""
        digest = hashlib.sha256()
        for name in dict.fromkeys(name for pair in self.pairs for name in pair):
            pose = self.annotations[name]
            digest.update(name.encode())
            # Coordinates of invisible joints are meaningless.
            digest.update(pose.joints.masked_fill(~pose.visible[..., None], 0).numpy().tobytes())
            digest.update(pose.visible.numpy().tobytes())
        return digest.hexdigest()

    def sources(self, rows: Sequence[int]) -> UInt8[Tensor, "batch 3 height width"]:
        """Read the source photos of the pairs in `rows`, which must have the same size."""
        return self._photos([self.pairs[row][0] for row in rows])

    def targets(self, rows: Sequence[int]) -> UInt8[Tensor, "batch 3 height width"]:
        """Read the target photos of the pairs in `rows`, which must have the same size."""
        return self._photos([self.pairs[row][1] for row in rows])

    def source_poses(self, rows: Sequence[int]) -> Pose:
        """Return the source poses of the pairs in `rows`."""
        return Pose.cat([self.annotations[self.pairs[row][0]] for row in rows])

    def target_poses(self, rows: Sequence[int]) -> Pose:
        """Return the target poses of the pairs in `rows`."""
        return Pose.cat([self.annotations[self.pairs[row][1]] for row in rows])

    def _photos(self, names: Sequence[str]) -> Tensor:
        photos = [read_photo(self.folder / name) for name in names]
        for name, photo in zip(names, photos, strict=True):
            if photo.shape != photos[0].shape:
                ours, others = (
                    f"{shape[0]}x{shape[1]}" for shape in (photo.shape, photos[0].shape)
                )
                raise InputError(f"{self.folder / name} is {ours} pixels, others are {others}.")
        return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)


def photos_in(folder: Path) -> list[Path]:
    """List the photos of a folder and its subfolders, sorted by path."""
    if not folder.is_dir():
        raise InputError(f"The folder of photos {folder} does not exist.")
    found = sorted(list_photos(folder, deep=True)[0])
    if not found:
        raise InputError(f"{folder} has no photo.")
    return found


def _some(names: Sequence[str]) -> str:
    """Format the first names of a list, and the number of the others."""
    rest = len(names) - _NAMED
    return ", ".join(map(shortened, names[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
