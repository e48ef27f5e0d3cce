"""refuse_test_poses: what a Re-ID set is tested on must not be in what is added to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.datasets import open_dataset
from deformgan.datasets.market1501 import BY_HAND, NOBODY, QUERY, TEST, TRAIN
from deformgan.datasets.photo_set import Fit, PhotoSet
from deformgan.datasets.splits import content_hash, read_identity_split
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.reid.person_photos import PersonPhotos, read_person_photos
from deformgan.skeletons.openpose18 import OPENPOSE18

TEST_TABLE = "market-annotation-test.csv"
EQUAL = 0.01  # pixels within which joints are the same ones


@dataclass(frozen=True)
class TestSide:
    """All that is known of what a data set is tested on.

    Attributes:
        people: Who is tested on.
        photos: Of query, gallery and `gt_bbox`, and of the test people of `identity-split.json`.
        poses: Annotated poses of the test people, by name, in pixels of the photos and, where these
            are framed, of the images too; none where the set has no such table.
    """

    people: set[str]
    photos: list[PersonPhotos]
    poses: list[tuple[str, Pose]]

    @staticmethod
    def of(data: Path, size: tuple[int, int], annotations: Path | None = None) -> "TestSide":
        """Gathers it.

        Args:
            data: A data set's folder.
            size: (height, width) of the images that photos are framed to.
            annotations: Its annotation table, where that is not in the folder.
        """
        photos = [
            read_person_photos(data / name) for name in (QUERY, TEST) if (data / name).is_dir()
        ]
        people = {who for some in photos for who in some.identities}
        parts = read_identity_split(data)
        if parts is not None:
            people |= parts["test"]
            folder = data / TRAIN if (data / TRAIN).is_dir() else data
            photos.append(_of_people(read_person_photos(folder), people))
        people -= set(NOBODY)
        if (data / BY_HAND).is_dir():  # shows the people to train on too
            photos.append(_of_people(read_person_photos(data / BY_HAND), people))
        return TestSide(people, photos, _test_poses(data, size, annotations))


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
    test = TestSide.of(data, sources.size, annotations)
    for what, given in (("source", sources), ("pose", poses)):
        _refuse_people(what, given, test.people)
    _refuse_names("pose", poses, test.photos)
    _refuse_bytes(sources, test.photos)
    _refuse_joints(poses.names, poses.poses, test.poses)
    if sources.framings is not None:
        _refuse_joints(sources.names, _in_photos(sources.poses, sources.framings), test.poses)


def _of_people(photos: PersonPhotos, people: set[str]) -> PersonPhotos:
    rows = [row for row, who in enumerate(photos.identities) if who in people]
    return photos.take(torch.tensor(rows, dtype=torch.int64))


def _test_poses(
    data: Path, size: tuple[int, int], annotations: Path | None
) -> list[tuple[str, Pose]]:
    found: list[tuple[str, Pose]] = []
    if (data / TEST_TABLE).is_file():  # one that cannot be read must not pass for none
        table = read_annotation_csv(data / TEST_TABLE)
        found += [(name, table.pose[[row]]) for row, name in enumerate(table.names)]
    given = None if (data / TEST).is_dir() else annotations
    framed: tuple[tuple[tuple[int, int] | None, Fit], ...] = ((None, "exact"), (size, "person"))
    for wanted, fit in framed:
        try:
            photos = open_dataset(data, split="test", annotations=given, size=wanted, fit=fit)
        except InputError:  # no test split, or no table of its poses
            break
        found += [(name, photos.poses[[row]]) for row, name in enumerate(photos.names)]
    return found


def _in_photos(pose: Pose, framings: Sequence[Framing]) -> Pose:
    """Maps poses back from the images to the photos."""
    corner = torch.tensor([[framing.left, framing.top] for framing in framings])
    scale = torch.tensor([[framing.scale_x, framing.scale] for framing in framings])
    return Pose((pose.joints + 0.5) / scale[:, None] + corner[:, None], pose.visible)


def _refuse_people(what: str, given: PhotoSet, people: set[str]) -> None:
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


def _refuse_joints(names: Sequence[str], given: Pose, tested: list[tuple[str, Pose]]) -> None:
    if not tested:
        return
    match = find_equal_poses(given, Pose.cat([pose for _, pose in tested]))
    if match is not None:
        mine, theirs = match
        raise InputError(
            f"The pose {names[mine]} has the joints of {tested[theirs][0]}, a photo of the test "
            "set."
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
