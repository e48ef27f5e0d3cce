"""refuse_test_poses: what a Re-ID set is tested on must not be in what is added to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.datasets import open_dataset
from deformgan.datasets.market1501 import BY_HAND, NOBODY, QUERY, TEST
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.splits import NoTestSplitError, content_hash
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.reid.person_photos import PersonPhotos, query_and_gallery, read_person_photos
from deformgan.skeletons.openpose18 import OPENPOSE18

EQUAL = 0.01  # pixels within which joints are the same ones


@dataclass(frozen=True)
class TestSide:
    """All that is known of what a data set is tested on.

    Attributes:
        photos: Of query, gallery and `gt_bbox`, or of the test people of `identity-split.json`.
        poses: Annotated poses of the test people, by name; none where the set has no such table.
    """

    photos: list[PersonPhotos]
    poses: dict[str, Pose]

    @staticmethod
    def of(data: Path, annotations: Path | None = None) -> "TestSide":
        """Gathers it.

        Args:
            data: A data set's folder.
            annotations: Its annotation table, where that is not in the folder.
        """
        try:
            photos = list(query_and_gallery(data))
        except NoTestSplitError:
            photos = []
        names = {QUERY, TEST, BY_HAND}
        photos += [
            read_person_photos(data / name)
            for name in sorted(names)
            if (data / name).is_dir() and not (photos and name != BY_HAND)
        ]
        try:
            table = None if (data / TEST).is_dir() else annotations
            tested: PhotoSet | None = open_dataset(data, split="test", annotations=table)
        except InputError:  # no test split, or nothing that is known of its poses
            tested = None
        poses = {}
        if tested is not None:
            poses = {name: tested.poses[[row]] for row, name in enumerate(tested.names)}
        return TestSide(photos, poses)


def refuse_test_poses(
    sources: PhotoSet, poses: PhotoSet, data: Path, annotations: Path | None = None
) -> None:
    """Raises where a source, or a pose that may be asked for, is of the test side.

    Found are test people by their identity, test photos by their file's name or by equal bytes
    under another name, and annotated test poses by equal joints under whatever name. Poses that are
    not usable are never asked for, and not looked at: photos without any joint are all alike.

    Args:
        sources: Photos whose people are painted.
        poses: Whose poses are asked for; files of photos need not be there.
        data: The data set, which says who is tested on.
        annotations: Its annotation table, where that is not in the folder.
    """
    test = TestSide.of(data, annotations)
    for what, given in (("source", sources), ("pose", poses)):
        _refuse_people(what, given, test.photos)
    _refuse_names("pose", poses, test.photos)
    _refuse_bytes(sources, test.photos)
    _refuse_joints(poses, test.poses)


def _refuse_people(what: str, given: PhotoSet, tested: Sequence[PersonPhotos]) -> None:
    people = {who for photos in tested for who in photos.identities} - set(NOBODY)
    for name, who in zip(given.names, given.identities, strict=True):
        if who in people:
            raise InputError(
                f"The {what} {name} is of {who}, a person of the test set; only training people "
                "may be used."
            )


def _refuse_names(what: str, given: PhotoSet, tested: Sequence[PersonPhotos]) -> None:
    names = {name for photos in tested for name in photos.names}
    for name in given.names:
        if name in names:
            raise InputError(f"The {what} {name} is the name of a photo of the test set.")


def _refuse_bytes(given: PhotoSet, tested: Sequence[PersonPhotos]) -> None:
    """Compares files, of which only those of equal length are read."""
    theirs = {path.resolve(): path for photos in tested for path in photos.paths}.values()
    mine = [path for path in given.paths if path.is_file()]
    lengths = [{path.stat().st_size for path in paths} for paths in (mine, theirs)]
    shared = lengths[0] & lengths[1]
    known = {content_hash(path): path.name for path in theirs if path.stat().st_size in shared}
    for path in mine:
        if path.stat().st_size in shared and (found := known.get(content_hash(path))):
            raise InputError(f"{path.name} has the bytes of {found}, a photo of the test set.")


def _refuse_joints(given: PhotoSet, tested: dict[str, Pose]) -> None:
    if not tested:
        return
    match = find_equal_poses(given.poses, Pose.cat(list(tested.values())))
    if match is not None:
        mine, theirs = match
        raise InputError(
            f"The pose {given.names[mine]} has the joints of {list(tested)[theirs]}, a photo of "
            "the test set."
        )


def find_equal_poses(one: Pose, other: Pose) -> tuple[int, int] | None:
    """Finds a usable pose that both sets have.

    Args:
        one: Poses in pixels.
        other: Poses in pixels.

    Returns:
        Rows of the first such pair, by the row in `one`; None where there is none.
    """
    rows = one.usable(OPENPOSE18).nonzero()[:, 0]
    others = other.usable(OPENPOSE18).nonzero()[:, 0]
    first, second = _coordinates(one[rows]), _coordinates(other[others])
    # Equal poses have nearly equal sums of coordinates, and few others have.
    sums = second.sum(axis=1)
    order = np.argsort(sums, kind="stable")
    reach = EQUAL * second.shape[1]
    low = np.searchsorted(sums[order], first.sum(axis=1) - reach)
    high = np.searchsorted(sums[order], first.sum(axis=1) + reach)
    for row in np.flatnonzero(high > low):
        near = order[low[row] : high[row]]
        equal = (np.abs(second[near] - first[row]) <= EQUAL).all(axis=1)
        if equal.any():
            return int(rows[row]), int(others[near[equal][0]])
    return None


def _coordinates(pose: Pose) -> np.ndarray:
    """Gives each pose as a row of numbers; a missing joint lies far away, where no other does."""
    away: Float[Tensor, "batch joints 2"] = torch.where(
        pose.visible[..., None], pose.joints.double(), -1e4
    )
    return away.flatten(1).numpy()
