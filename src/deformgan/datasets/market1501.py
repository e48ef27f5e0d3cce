"""Market-1501: pedestrians seen by six cameras, and other data sets in its layout."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets.named_photos import NamedPhotos, find_table
from deformgan.datasets.photo_set import Fit
from deformgan.datasets.splits import (
    SPLIT_FILE,
    NoTestSplitError,
    Split,
    read_identity_split,
    refuse_shared_identities,
)
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

TRAIN, TEST, QUERY, BY_HAND = "bounding_box_train", "bounding_box_test", "query", "gt_bbox"

NOBODY = ("-1", "0000")  # junk boxes and distractors

# Market-1501 writes 0002_c1s1_000451_03.jpg; DukeMTMC-reID omits sequence and box,
# 0001_c2_f0046182.jpg; others omit only the sequence.
_NAME = re.compile(
    r"(-1|\d+)_c(\d+)(?:s(\d+)_(\d+)_(\d+)|_f?(\d+)(?:_(\d+))?).*\.(?:jpe?g|png)", re.IGNORECASE
)


@dataclass(frozen=True)
class MarketName:
    """The fields of a file name.

    Attributes:
        identity: Person, as written: "0002"; "-1" is a junk box, "0000" a distractor.
        camera: From 1.
        sequence: Recording of that camera, from 1; 1 if the name has none.
        frame: Frame of that recording.
        box: Box of that frame; 0 if the name has none.
    """

    identity: str
    camera: int
    sequence: int
    frame: int
    box: int

    @staticmethod
    def parse(name: str) -> "MarketName":
        """Parse a name like `0002_c1s1_000451_03.jpg`."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f"{name!r} is not a Market-1501 file name like '0002_c1s1_000451_03.jpg'."
            )
        identity, camera, sequence, frame, box, only_frame, only_box = match.groups()
        if sequence is None:
            sequence, frame, box = 1, only_frame, only_box or 0
        return MarketName(identity, int(camera), int(sequence), int(frame), int(box))


class Market1501(NamedPhotos):
    """People with their poses, in the layout of Market-1501.

    The images are in `bounding_box_train` and `bounding_box_test`, or directly in the folder. Only
    images listed in the annotation table are read, in its order, except junk and distractors.
    `query` and `gt_bbox` show people of the test set again and are not read here.

    If the folder has an `identity-split.json` (`{"train": [...], "test": [...]}`), it divides the
    people of `bounding_box_train`, and `split="train"` never yields a test identity. Otherwise the
    two folders are the split, and a person in both is an error.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        annotations: str | Path | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "exact",
        cache: str | Path | None = None,
        skeleton: Skeleton = OPENPOSE18,
        nobody: Collection[str] = NOBODY,
    ):
        """Read the images of one split.

        Args:
            root: The data set's folder.
            split: "all" reads the whole training folder, including the test identities of
                `identity-split.json`.
            annotations: Annotation table; by default `market-annotation-train.csv` (or `-test`) or
                `annotation.csv` in `root`.
            size: (height, width) of the images; by default that of the first one.
            fit: How to resize other images to that size; Re-ID sets with boxes of varying size
                (DukeMTMC-reID) are usually stretched.
            cache: See `PhotoSet`.
            skeleton: Skeleton of the poses.
            nobody: Identities that are not a person. In sets that number people from 0, "0000" is a
                person.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        folder, wanted = _split(root, split, nobody)
        table = _annotations(root, folder, annotations, skeleton)
        super().__init__(
            folder,
            table,
            MarketName.parse,
            lambda who: who not in nobody and (wanted is None or who in wanted),
            split,
            size=size,
            fit=fit,
            cache=cache,
            skeleton=skeleton,
        )

    @staticmethod
    def matches(root: Path) -> bool:
        """Return whether a folder looks like this data set."""
        if (root / TRAIN).is_dir() or (root / TEST).is_dir():
            return True
        return any(_NAME.fullmatch(path.name) for path in root.iterdir())


def _split(root: Path, split: Split, nobody: Collection[str]) -> tuple[Path, set[str] | None]:
    """Return the folder to read and the identities to keep (None: all)."""
    train, test = root / TRAIN, root / TEST
    folder = train if train.is_dir() else root
    if split == "all":
        return folder, None
    parts = read_identity_split(root)
    if parts is not None:
        return folder, parts[split]
    if train.is_dir() and test.is_dir():
        refuse_shared_identities(_people(train, nobody), _people(test, nobody), str(root))
    if split == "test":
        if not test.is_dir():
            raise NoTestSplitError(
                f"{root} has neither bounding_box_test nor {SPLIT_FILE}: no test set."
            )
        return test, None
    return folder, None


def _people(folder: Path, nobody: Collection[str]) -> set[str]:
    """Return the identities in a folder's file names, whether they have poses or not."""
    names = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    return {match[1] for match in names if match is not None} - set(nobody)


def _annotations(
    root: Path, folder: Path, given: str | Path | None, skeleton: Skeleton
) -> Annotations:
    part = "test" if folder.name == TEST else "train"
    candidates = [f"market-annotation-{part}.csv", "annotation.csv"]
    return find_table(root, candidates, given, skeleton)
