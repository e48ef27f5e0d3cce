"""Folder: a user's own photos, one folder per person, with a pose file."""

from collections import Counter
from pathlib import Path

import torch

from deformgan.datasets.photo_set import Fit, PhotoSet, fit_photos
from deformgan.datasets.splits import SPLIT_FILE, NoTestSplitError, Split, read_identity_split
from deformgan.errors import InputError
from deformgan.photo_file import list_photos
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import Annotations, read_annotations
from deformgan.pose_formats.stated_size import match_photo
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)
POSE_FILES = ("annotation.csv", "annotation.json", "annotations.csv", "annotations.json")


class Folder(PhotoSet):
    """Photos of any size, `<person>/<photo>`, with their poses in `annotation.csv` (or JSON).

    The pose file refers to photos by their path in the folder (`ann/beach.jpg`), or by file name
    alone if it is unique. If it lists several people for a photo, the largest is used. Photos
    without a pose are skipped.

    The split is defined by `identity-split.json` (`{"train": ["ann"], "test": ["bob"]}`); without
    it, everyone is used for training.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        annotations: str | Path | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "person",
        cache: str | Path | None = None,
        skeleton: Skeleton = OPENPOSE18,
    ):
        """Read the photos of one split.

        Args:
            root: The folder of people's folders.
            split: "all" reads everyone.
            annotations: Pose file, in pixels of the photos; by default the one in `root`.
            size: (height, width) of the images; by default (128, 64).
            fit: How to resize photos to that size; by default people are framed as in `deformgan
                generate`.
            cache: See `PhotoSet`.
            skeleton: Skeleton of the poses.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        wanted = _wanted(root, split)
        table = read_annotations(annotations or _pose_file(root), skeleton)
        found = _photos(root)
        times = Counter(path.name for path in found)
        photos = {
            path: name
            for path in found
            if (wanted is None or path.parent.name in wanted)
            and (name := _name_in(table, path, times)) is not None
        }
        if not photos:
            raise InputError(
                f"No photo in the folders of {root} is listed in {table.source} and belongs to the "
                f"split {split!r}; a name is a path like 'ann/beach.jpg'."
            )
        paths = list(photos)
        poses = Pose.cat(
            [
                match_photo(table[name], table.size_of(name), path, table.source)
                for path, name in photos.items()
            ]
        )
        size, framings, poses = fit_photos(paths, poses, size or SIZE, fit, skeleton)
        super().__init__(
            names=[path.relative_to(root).as_posix() for path in paths],
            identities=[path.parent.name for path in paths],
            cameras=torch.zeros(len(paths), dtype=torch.int64),
            paths=paths,
            poses=poses,
            size=size,
            framings=framings,
            cache=cache,
            skeleton=skeleton,
        )

    @staticmethod
    def matches(root: Path) -> bool:
        """Return whether a folder looks like this data set."""
        return any((root / name).is_file() for name in POSE_FILES) and bool(_photos(root))


def _wanted(root: Path, split: Split) -> set[str] | None:
    """Return the identities to read; None for all."""
    if split == "all":
        return None
    parts = read_identity_split(root)
    if parts is not None:
        return parts[split]
    if split == "test":
        raise NoTestSplitError(f"{root} has no {SPLIT_FILE}: no test set.")
    return None


def _pose_file(root: Path) -> Path:
    found = [root / name for name in POSE_FILES if (root / name).is_file()]
    if not found:
        raise InputError(
            f"{root} has no pose file: {' or '.join(POSE_FILES[:2])}; `deformgan pose` makes one."
        )
    return found[0]


def _photos(root: Path) -> list[Path]:
    """Return all people's photos, sorted."""
    return sorted(
        photo
        for person in root.iterdir()
        if person.is_dir() and not person.name.startswith(".")
        for photo in list_photos(person)[0]
    )


def _name_in(table: Annotations, path: Path, times: Counter[str]) -> str | None:
    """Find a photo's name in the pose file; None if it is not listed."""
    name = f"{path.parent.name}/{path.name}"
    if name in table:
        return name
    if path.name not in table:
        return None
    if times[path.name] > 1:
        raise InputError(
            f"{table.source} lists {path.name!r}, which several people have; include the person, "
            f"as in {name!r}."
        )
    return path.name
