"""Folder: anybody's own photos, a folder for each person and a pose file beside them."""

from collections import Counter
from pathlib import Path

import torch
from PIL import Image

from deformgan.datasets.photo_set import Fit, PhotoSet, fit_photos
from deformgan.datasets.splits import SPLIT_FILE, NoTestSplitError, Split, read_identity_split
from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import Annotations, read_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)
POSE_FILES = ("annotation.csv", "annotation.json", "annotations.csv", "annotations.json")


class Folder(PhotoSet):
    """Photos of any size, `<person>/<photo>`, and `annotation.csv` (or JSON) with their poses.

    The pose file names photos by their path in the folder (`ann/beach.jpg`), or by file name alone
    where only one person has a photo of that name. Where it has several people for a photo, the
    largest counts. Photos without a pose are left out.

    Where the folder has `identity-split.json` (`{"train": ["ann"], "test": ["bob"]}`), it is the
    split; where it has not, everybody is there to train on.
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
        """Reads the photos of one split.

        Args:
            root: The folder of folders.
            split: "all" reads everybody.
            annotations: The pose file, in pixels of the photos; by default in `root`.
            size: (height, width) of the images; by default (128, 64).
            fit: How photos come to it; by default people are framed as `deformgan generate` does.
            cache: See `PhotoSet`.
            skeleton: Of the poses.
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
                f"No photo in the folders of {root} is named by {table.source} and belongs to the "
                f"split {split!r}; a name is a path like 'ann/beach.jpg'."
            )
        paths = list(photos)
        poses = Pose.cat([table[name] for name in photos.values()])
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
        """Tells whether a folder looks like this data set."""
        return any((root / name).is_file() for name in POSE_FILES) and bool(_photos(root))


def _wanted(root: Path, split: Split) -> set[str] | None:
    """Gives whose photos to read; None for everybody."""
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
    """Finds the photos of everybody, in order."""
    known = Image.registered_extensions()
    return sorted(
        path
        for person in root.iterdir()
        if person.is_dir() and not person.name.startswith(".")
        for path in person.iterdir()
        if path.suffix.lower() in known
    )


def _name_in(table: Annotations, path: Path, times: Counter[str]) -> str | None:
    """Finds what the pose file calls a photo; None if it does not have it."""
    name = f"{path.parent.name}/{path.name}"
    if name in table:
        return name
    if path.name not in table:
        return None
    if times[path.name] > 1:
        raise InputError(
            f"{table.source} names {path.name!r}, which several people have; say whose, as in "
            f"{name!r}."
        )
    return path.name
