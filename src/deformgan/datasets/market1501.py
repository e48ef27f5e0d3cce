"""Market-1501: pedestrians seen by six cameras, and other data sets in its layout."""

from collections.abc import Collection
from pathlib import Path

from deformgan.datasets.market_name import TEST, TRAIN, MarketName
from deformgan.datasets.named_photos import NamedPhotos, find_table
from deformgan.datasets.nobody import find_nobody, identities_of
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
        nobody: Collection[str] | None = None,
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
            nobody: Identities that are not people; by default decided by the data, see
                `find_nobody`.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        folder, wanted = _split(root, split, nobody)
        others = find_nobody(root, "test" if split == "test" else "train", nobody)
        table = _annotations(root, folder, annotations, skeleton)
        super().__init__(
            folder,
            table,
            MarketName.parse,
            lambda who: who not in others and (wanted is None or who in wanted),
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
        return bool(identities_of(root))


def _split(
    root: Path, split: Split, nobody: Collection[str] | None
) -> tuple[Path, set[str] | None]:
    """Return the folder to read and the identities to keep (None: all)."""
    train, test = root / TRAIN, root / TEST
    folder = train if train.is_dir() else root
    if split == "all":
        return folder, None
    parts = read_identity_split(root)
    if parts is not None:
        return folder, parts[split]
    if train.is_dir() and test.is_dir():
        refuse_shared_identities(
            identities_of(train, find_nobody(root, "train", nobody)),
            identities_of(test, find_nobody(root, "test", nobody)),
            str(root),
        )
    if split == "test":
        if not test.is_dir():
            raise NoTestSplitError(
                f"{root} has neither bounding_box_test nor {SPLIT_FILE}: no test set."
            )
        return test, None
    return folder, None


def _annotations(
    root: Path, folder: Path, given: str | Path | None, skeleton: Skeleton
) -> Annotations:
    part = "test" if folder.name == TEST else "train"
    candidates = [f"market-annotation-{part}.csv", "annotation.csv"]
    return find_table(root, candidates, given, skeleton)
