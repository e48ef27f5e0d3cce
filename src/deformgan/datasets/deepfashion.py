"""DeepFashion In-shop: models wearing a shop's clothes, several views per garment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

import torch
from torch import Tensor

from deformgan.datasets.photo_set import Fit, PhotoSet, fit_photos
from deformgan.datasets.splits import NoTestSplitError, Split, refuse_shared_identities
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE, SMALL = (256, 256), (128, 64)
# The person is in the middle 176 of 256 columns; 128x64 images show only those.
_MARGIN = 40
_MIDDLE = Framing(
    left=_MARGIN - 0.5,
    top=-0.5,
    scale=SMALL[0] / SIZE[0],
    size=SMALL,
    stretch=SMALL[1] / (SIZE[1] - 2 * _MARGIN) / (SMALL[0] / SIZE[0]),
)

_LOOKED_AT = 10_000  # most files to examine when detecting the data set
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_PREFIX = re.compile(r"^(?:fashion|fasion)?(?=(?:WO)?MEN)")
_FLAT = re.compile(r"(?:fashion|fasion)?(?:WO)?MEN.*id\d+_")
_VIEW = re.compile(r"_(\d+)[^_]*$")
_TABLES = (
    "fasion-annotation-{}.csv",
    "fashion-annotation-{}.csv",
    "fasion-resize-annotation-{}.csv",
    "fashion-resize-annotation-{}.csv",
    "annotation-{}.csv",
)

Edition = Literal["old", "new"]


@dataclass(frozen=True)
class EditionCounts:
    """Size of the test set of one of the two common splits.

    Attributes:
        images: Lines of the annotation table.
        usable: Lines with both shoulders and both hips.
        garments: Garments among the usable images.
        pairs: All ordered pairs.
    """

    images: int
    usable: int
    garments: int
    pairs: int


# The old split is random by garment; the paper states its number of test pairs. The new one is that
# of Ma et al., used for the paper's tables; 12,000 of its pairs are drawn.
EDITIONS: dict[Edition, EditionCounts] = {
    "old": EditionCounts(images=4061, usable=3278, garments=998, pairs=8670),
    "new": EditionCounts(images=8146, usable=7480, garments=2058, pairs=20_676),
}


class DeepFashion(PhotoSet):
    """Fashion models with poses; an identity is a garment in one color.

    Images may be anywhere below the folder, under their original paths
    (`WOMEN/Dresses/id_00005537/05_4_full.jpg`) or under flat names, with either spelling of the
    prefix (`fasion`, `fashion`), with or without underscores in the category, as JPEG or PNG: table
    entries are matched to files by `photo_key`.

    The split is defined by the annotation tables: `fasion-annotation-train.csv` and `-test.csv` (or
    `fashion-...`, `fasion-resize-...`, or just `annotation-...`). If the folder has both the old
    and the new split, their tables are in subfolders `old` and `new`. A single `annotation.csv` is
    used for every split.

    Images are 256x256, or 128x64 obtained as the authors do: cropped by 40 columns on either side,
    then downscaled. Joints are never rounded.

    Attributes:
        edition: The split to which the tables belong, if it can be recognized by the number of
            lines in the test table.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        annotations: str | Path | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "pad",
        cache: str | Path | None = None,
        skeleton: Skeleton = OPENPOSE18,
        edition: Edition | None = None,
        joints_in: Literal["frame", "file"] = "frame",
    ):
        """Read the images of one split.

        Args:
            root: The data set's folder.
            split: "all" concatenates train and test, in this order.
            annotations: Annotation table; by default the split's in `root`.
            size: (256, 256), the default, or (128, 64).
            fit: How to resize other images to 256x256; the original In-shop images are padded.
            cache: See `PhotoSet`.
            skeleton: Skeleton of the poses.
            edition: Old or new split; by default the one that is present.
            joints_in: Whether the table's coordinates are pixels of the 256x256 images ("frame", as
                in the published tables, even if the files are the larger originals) or of the
                files ("file").
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        size = size or SIZE
        if size not in (SIZE, SMALL):
            raise InputError(f"DeepFashion comes at {SIZE} or {SMALL} (height, width), not {size}.")
        table, self.edition = _read_tables(root, split, annotations, edition, skeleton)
        files = _files(root)
        rows = [row for row, name in enumerate(table.names) if photo_key(name) in files]
        if not rows:
            raise InputError(f"No image below {root} is listed in {table.source}.")
        names = [table.names[row] for row in rows]
        paths = [files[photo_key(name)] for name in names]
        poses = table.pose[rows]
        if fit == "person" and joints_in == "frame":
            raise InputError("fit='person' needs joints in the photos' pixels: joints_in='file'.")
        _, framings, framed = fit_photos(paths, poses, SIZE, fit, skeleton)
        if joints_in == "file":
            poses = framed
        if size == SMALL:
            poses = _MIDDLE.frame_pose(poses)
            framings = [framing.then(_MIDDLE) for framing in framings or [_WHOLE] * len(paths)]
        super().__init__(
            names=names,
            identities=[identity_of(name) for name in names],
            cameras=_views(names),
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
        named = [name.format(split) for name in _TABLES[:-1] for split in ("train", "test")]
        if any((root / below / name).is_file() for below in ("", *EDITIONS) for name in named):
            return True
        return any(_is_photo(path) for path in islice(_walk(root), _LOOKED_AT))


def flat_name(path: str | PurePosixPath) -> str:
    """Convert an original path to the flat file name common in the field.

    Args:
        path: `.../WOMEN/Jackets_Coats/id_00000123/01_1_front.jpg`; anything before the gender is
            ignored.

    Returns:
        `fasionWOMENJacketsCoatsid0000012301_1front.jpg` (the misspelling is conventional); the one
        remaining underscore separates the garment (item and colour) from the view.
    """
    parts = PurePosixPath(path).parts
    color, underscore, view = parts[-1].partition("_") if parts else ("", "", "")
    if len(parts) < 4 or not underscore:
        raise InputError(
            f"{str(path)!r} is not a DeepFashion path like "
            "'WOMEN/Jackets_Coats/id_00000123/01_1_front.jpg'."
        )
    item = "".join(parts[-4:-1]).replace("_", "")
    return f"fasion{item}{color}_{view.replace('_', '')}"


def identity_of(name: str) -> str:
    """Return the garment in an image, item and colour: everything before the view.

    The name is split at the last underscore, because some lists keep those in the category. Prefix
    and other underscores are removed, so that names of different lists agree.
    """
    identity, underscore, _ = _flat(name).rpartition("_")
    if not underscore:
        raise InputError(
            f"{name!r} is not a DeepFashion name like 'fasion...id0000012301_1front.jpg'."
        )
    return _PREFIX.sub("", identity).replace("_", "")


def photo_key(name: str | PurePosixPath) -> str:
    """Return a key shared by all names of one image.

    Args:
        name: A flat name of any spelling, or an original path.
    """
    return _PREFIX.sub("", PurePosixPath(_flat(name)).stem).replace("_", "")


def _flat(name: str | PurePosixPath) -> str:
    """Return a path's file name, converting original paths to flat names."""
    path = PurePosixPath(name)
    return flat_name(path) if path.parent.name.startswith("id_") else path.name


def poses_128x64(poses: Pose, *, truncate: bool = False) -> Pose:
    """Convert poses from 256x256 to 128x64 images.

    Args:
        poses: In pixels of the large images.
        truncate: Whether to use the reference's rule: coordinates are scaled about the centre of
            the top-left pixel (up to half a pixel off) and truncated towards 0; joints that land on
            -1 are lost.
    """
    if not truncate:
        return _MIDDLE.frame_pose(poses)
    x, y = poses.joints.unbind(dim=-1)
    small = torch.stack([(x - _MARGIN) * _MIDDLE.scale_x, y * _MIDDLE.scale], dim=-1).trunc()
    lost = (small == -1).any(dim=-1)
    return Pose(small, poses.visible & ~lost)


_WHOLE = Framing.padded(SIZE, SIZE)


def _read_tables(
    root: Path,
    split: Split,
    given: str | Path | None,
    edition: Edition | None,
    skeleton: Skeleton,
) -> tuple[Annotations, Edition | None]:
    if given is not None:
        return read_annotation_csv(given, skeleton), edition
    folder = root
    if edition is not None and (root / edition).is_dir():
        folder = root / edition
    elif edition is None:
        with_tables = [name for name in EDITIONS if _table(root / name, "train", "test")]
        if not _table(root, "train", "test") and with_tables:
            if len(with_tables) > 1:
                raise InputError(f"{root} has both the old and the new split: choose an edition.")
            folder = root / with_tables[0]
    train, test = _table(folder, "train"), _table(folder, "test")
    if train is None and test is None:
        if not (folder / "annotation.csv").is_file():
            raise InputError(
                f"{folder} has no annotation table: fasion-annotation-train.csv and "
                "fasion-annotation-test.csv, or annotation.csv."
            )
        return read_annotation_csv(folder / "annotation.csv", skeleton), edition
    tables = {
        part: read_annotation_csv(path, skeleton)
        for part, path in (("train", train), ("test", test))
        if path is not None
    }
    if len(tables) == 2:
        train_people, test_people = (
            [identity_of(name) for name in tables[part].names] for part in ("train", "test")
        )
        refuse_shared_identities(train_people, test_people, str(folder))
    found = _edition_of(tables["test"]) if "test" in tables else None
    if edition is not None and found not in (None, edition):
        raise InputError(
            f"{tables['test'].source} has {EDITIONS[found].images} lines: it belongs to the "
            f"{found} split, not the {edition} one."
        )
    if split == "all":
        joined = list(tables.values())
        names = [name for table in joined for name in table.names]
        pose = Pose.cat([table.pose for table in joined])
        return Annotations(names, pose, source=str(folder), skeleton=skeleton), edition or found
    if split not in tables:
        error = NoTestSplitError if split == "test" else InputError
        raise error(f"{folder} has no annotation table for the split {split!r}.")
    return tables[split], edition or found


def _table(folder: Path, *splits: str) -> Path | None:
    """Find the annotation table of one of several splits."""
    names = [name.format(split) for name in _TABLES for split in splits]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _edition_of(test: Annotations) -> Edition | None:
    return next((name for name in EDITIONS if EDITIONS[name].images == len(test)), None)


def _files(root: Path) -> dict[str, Path]:
    """Find the images below a folder; of several versions of one, the first by path."""
    files: dict[str, Path] = {}
    for path in sorted(_walk(root)):
        if _is_photo(path):
            files.setdefault(photo_key(path.as_posix()), path)
    return files


def _walk(folder: Path, depth: int = 8) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):  # such as the `._*` that macOS writes
            continue
        if path.is_dir() and depth > 1:
            yield from _walk(path, depth - 1)
        elif path.suffix.lower() in _SUFFIXES:
            yield path


def _is_photo(path: Path) -> bool:
    """Return whether a path is an image of the data set, judging by name and folder."""
    if path.parent.name.startswith("id_"):
        return len(path.parts) >= 4 and "_" in path.name
    return _FLAT.match(path.name) is not None


def _views(names: list[str]) -> Tensor:
    """Parse the view number (1 front, 2 side, 3 back, 4 full, 7 additional)."""
    found = [_VIEW.search(PurePosixPath(_flat(name)).stem) for name in names]
    return torch.tensor([int(match[1]) if match else 0 for match in found])
