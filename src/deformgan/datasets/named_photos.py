"""NamedPhotos: photos whose file names contain identity and camera."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from deformgan.datasets.photo_set import Fit, PhotoSet, fit_photos
from deformgan.datasets.splits import Split
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.pose_formats.annotations import Annotations


@runtime_checkable
class PhotoName(Protocol):
    """The fields of a file name that every data set has."""

    @property
    def identity(self) -> str:
        """Person, as written."""
        ...

    @property
    def camera(self) -> int:
        """Camera, from 1."""
        ...


class NamedPhotos(PhotoSet):
    """Photos of one folder that are listed in a table, in its order."""

    def __init__(
        self,
        folder: Path,
        table: Annotations,
        parse: Callable[[str], PhotoName],
        wanted: Callable[[str], bool],
        split: Split,
        *,
        size: tuple[int, int] | None,
        fit: Fit,
        cache: str | Path | None,
        skeleton: Skeleton,
    ):
        """Read the photos that are both listed and present.

        Args:
            folder: Folder of the photos.
            table: Their poses.
            parse: Parses a file name.
            wanted: Whether an identity belongs to the split.
            split: Name of the split, for error messages.
            size: See `fit_photos`.
            fit: See `fit_photos`.
            cache: See `PhotoSet`.
            skeleton: Skeleton of the poses.
        """
        present = {path.name for path in folder.iterdir()}
        parsed = {name: parse(name) for name in table.names if name in present}
        fields = {name: field for name, field in parsed.items() if wanted(field.identity)}
        if not fields:
            raise InputError(
                f"No image in {folder} is listed in {table.source} and belongs to the split "
                f"{split!r}."
            )
        paths = [folder / name for name in fields]
        poses = table.select(list(fields)).pose
        size, framings, poses = fit_photos(paths, poses, size, fit, skeleton)
        super().__init__(
            names=list(fields),
            identities=[field.identity for field in fields.values()],
            cameras=torch.tensor([field.camera for field in fields.values()]),
            paths=paths,
            poses=poses,
            size=size,
            framings=framings,
            cache=cache,
            skeleton=skeleton,
        )


def find_table(
    folder: Path,
    candidates: Sequence[str],
    given: str | Path | None,
    skeleton: Skeleton,
    hint: str = "",
) -> Annotations:
    """Read the annotation table of a data set.

    Args:
        folder: Folder in which to look for it.
        candidates: Possible file names, in order of preference.
        given: File to read instead, if any.
        skeleton: Skeleton of the poses.
        hint: Text to append to the error message.
    """
    if given is not None:
        return read_annotation_csv(given, skeleton)
    for name in candidates:
        if (folder / name).is_file():
            return read_annotation_csv(folder / name, skeleton)
    raise InputError(f"{folder} has no annotation table: {' or '.join(candidates)}{hint}.")
