"""open_split: training and test people of a data set of any kind."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.splits import NoTestSplitError, refuse_shared_identities
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

EVERY = 5  # hold out one in this many people if a data set has no split


@dataclass(frozen=True)
class SplitDataset:
    """A data set in two parts with disjoint people.

    Attributes:
        train: Training part.
        test: Test part.
        rule: Description of how people were assigned.
    """

    train: PhotoSet
    test: PhotoSet
    rule: str


def open_split(
    folder: Path, skeleton: Skeleton = OPENPOSE18, nobody: Collection[str] | None = None
) -> SplitDataset:
    """Open a data set of any kind, split into training and test people.

    If it defines no test split, every fifth person in the order of names is held out.

    Args:
        folder: A data set that `open_dataset` supports.
        skeleton: Skeleton of the poses.
        nobody: Identities that are not people; see `open_dataset`.
    """
    train = open_dataset(folder, skeleton=skeleton, nobody=nobody)
    try:
        test = open_dataset(folder, split="test", skeleton=skeleton, nobody=nobody)
    except NoTestSplitError:
        test = train
    if test.names != train.names:  # the same table for both splits means there is no split
        refuse_shared_identities(train.identities, test.identities, str(folder))
        return SplitDataset(train, test, "the data set's own")
    everybody = sorted(set(train.identities))
    held_out = everybody[EVERY - 1 :: EVERY]
    if not held_out:
        raise InputError(
            f"{folder} has no test split, and {len(everybody)} people are too few to hold out one "
            f"in {EVERY}."
        )
    return SplitDataset(
        train.of_people(set(everybody) - set(held_out)),
        train.of_people(held_out),
        f"every {EVERY}th person held out, in the order of names",
    )
