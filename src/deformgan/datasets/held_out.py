"""open_split: whom to train on and whom to test on, for data sets of any kind."""

from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.splits import NoTestSplitError, refuse_shared_identities
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

EVERY = 5  # of how many people one is held out where a data set has no split


@dataclass(frozen=True)
class SplitDataset:
    """A data set in two parts that share nobody.

    Attributes:
        train: To learn from.
        test: To be scored on.
        rule: How people came to either part, in words.
    """

    train: PhotoSet
    test: PhotoSet
    rule: str


def open_split(folder: Path, skeleton: Skeleton = OPENPOSE18) -> SplitDataset:
    """Reads a data set of any kind in two parts.

    Where it does not say who is to be tested on, every fifth person is, in the order of names.

    Args:
        folder: Any kind that `open_dataset` knows.
        skeleton: Of the poses.
    """
    train = open_dataset(folder, skeleton=skeleton)
    try:
        test = open_dataset(folder, split="test", skeleton=skeleton)
    except NoTestSplitError:
        test = train
    if test.names != train.names:  # one table for every split is no split either
        refuse_shared_identities(train.identities, test.identities, str(folder))
        return SplitDataset(train, test, "the data set's own")
    everybody = sorted(set(train.identities))
    held_out = everybody[EVERY - 1 :: EVERY]
    if not held_out:
        raise InputError(
            f"{folder} has no test split, and of {len(everybody)} people none can be held out: it "
            f"takes {EVERY}."
        )
    return SplitDataset(
        train.of_people(set(everybody) - set(held_out)),
        train.of_people(held_out),
        f"every {EVERY}th person held out, in the order of names",
    )
