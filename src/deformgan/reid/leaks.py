"""Leak check: no test photo, pose or identity may enter the augmented training set."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import Fit, PhotoSet
from deformgan.datasets.splits import content_hash
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.reid.layout import Layout
from deformgan.reid.person_photos import PersonPhotos, read_person_photos
from deformgan.skeletons.openpose18 import OPENPOSE18

EQUAL = 0.01  # pixels; joints closer than this are equal


@dataclass(frozen=True)
class TestSide:
    """Everything known about a data set's test set.

    Attributes:
        people: Test identities.
        photos: Photos of query, gallery and `gt_bbox`, and of the test identities of
            `identity-split.json` or torchreid's split.
        poses: Annotated test poses by name, in pixels of the photos and, if these are framed, of
            the images too; empty without an annotation table.
    """

    people: set[str]
    photos: list[PersonPhotos]
    poses: list[tuple[str, Pose]]

    @staticmethod
    def of(
        data: Path,
        size: tuple[int, int],
        annotations: Path | None = None,
        nobody: Collection[str] | None = None,
    ) -> "TestSide":
        """Collect the test set of a data set.

        Args:
            data: Data set folder.
            size: (height, width) of the images that photos are framed to.
            annotations: Annotation table, if it is not in the folder.
            nobody: Identities that are not people; by default decided by the data.
        """
        layout = Layout.find(data)
        photos = [
            read_person_photos(folder, parse=layout.parse)
            for folder in (layout.query, layout.gallery)
            if folder is not None
        ]
        people = {who for some in photos for who in some.identities}
        parts = layout.people
        if parts is not None:
            people |= parts["test"]
            photos.append(_of_people(read_person_photos(layout.train, parse=layout.parse), people))
        people -= set(layout.nobody("test", nobody))
        if layout.by_hand is not None:  # also shows training identities
            photos.append(_of_people(read_person_photos(layout.by_hand), people))
        return TestSide(people, photos, _test_poses(layout, size, annotations))


def refuse_test_poses(
    sources: PhotoSet,
    poses: PhotoSet,
    data: Path,
    annotations: Path | None = None,
    nobody: Collection[str] | None = None,
) -> None:
    """Raise an error if a source or target pose is from the test set.

    Test identities are found by label, test photos by file name or identical bytes under another
    name, and annotated test poses by identical joints under any name. Unusable poses are skipped:
    they are never targets, and photos without joints all have the same pose.

    Args:
        sources: Photos whose people are generated.
        poses: Photo set of the target poses; its image files need not exist. It may include the
            sources.
        data: Data set folder, which defines the test set.
        annotations: Annotation table, if it is not in the folder.
        nobody: See `TestSide.of`.
    """
    test = TestSide.of(data, sources.size, annotations, nobody)
    for what, given in (("source", sources), ("pose", poses)):
        _refuse_people(what, given, test.people)
    _refuse_names("pose", poses, test.photos)
    _refuse_bytes(sources, test.photos)
    if poses is not sources:
        _refuse_bytes(poses, test.photos)
    _refuse_joints(poses.names, poses.poses, test.poses)
    if sources.framings is not None:
        _refuse_joints(sources.names, _in_photos(sources.poses, sources.framings), test.poses)


def _of_people(photos: PersonPhotos, people: set[str]) -> PersonPhotos:
    rows = [row for row, who in enumerate(photos.identities) if who in people]
    return photos.take(torch.tensor(rows, dtype=torch.int64))


def _test_poses(
    layout: Layout, size: tuple[int, int], annotations: Path | None
) -> list[tuple[str, Pose]]:
    found: list[tuple[str, Pose]] = []
    for path in layout.test_tables:
        # Of test photos alone; an unreadable one must not count as a missing one.
        if path.stem.endswith("-test") and path.is_file():
            table = read_annotation_csv(path)
            found += [(name, table.pose[[row]]) for row, name in enumerate(table.names)]
    given = None if layout.gallery is not None else annotations
    framed: tuple[tuple[tuple[int, int] | None, Fit], ...] = ((None, "exact"), (size, "person"))
    for wanted, fit in framed:
        try:
            photos = open_dataset(
                layout.root, split="test", annotations=given, size=wanted, fit=fit
            )
        except InputError:  # no test split, or no annotation table for it
            break
        found += [(name, photos.poses[[row]]) for row, name in enumerate(photos.names)]
    return found


def _in_photos(pose: Pose, framings: Sequence[Framing]) -> Pose:
    """Map poses from image coordinates back to photo coordinates."""
    corner = torch.tensor([[framing.left, framing.top] for framing in framings])
    scale = torch.tensor([[framing.scale_x, framing.scale] for framing in framings])
    return Pose((pose.joints + 0.5) / scale[:, None] + corner[:, None], pose.visible)


def _refuse_people(what: str, given: PhotoSet, people: set[str]) -> None:
    for name, who in zip(given.names, given.identities, strict=True):
        if who in people:
            raise InputError(
                f"The {what} {name} shows {who}, a test identity; only training identities are "
                "allowed."
            )


def _refuse_names(what: str, given: PhotoSet, tested: Sequence[PersonPhotos]) -> None:
    names = {name for photos in tested for name in photos.names}
    for name in given.names:
        if name in names:
            raise InputError(f"The {what} {name} has the name of a test photo.")


def _refuse_bytes(given: PhotoSet, tested: Sequence[PersonPhotos]) -> None:
    """Compare file contents, reading only files of equal size."""
    theirs = {path.resolve(): path for photos in tested for path in photos.paths}.values()
    mine = [path for path in given.paths if path.is_file()]
    lengths = [{path.stat().st_size for path in paths} for paths in (mine, theirs)]
    shared = lengths[0] & lengths[1]
    known = {content_hash(path): path.name for path in theirs if path.stat().st_size in shared}
    for path in mine:
        if path.stat().st_size in shared and (found := known.get(content_hash(path))):
            raise InputError(f"{path.name} has the same bytes as {found}, a test photo.")


def _refuse_joints(names: Sequence[str], given: Pose, tested: list[tuple[str, Pose]]) -> None:
    if not tested:
        return
    match = find_equal_poses(given, Pose.cat([pose for _, pose in tested]))
    if match is not None:
        mine, theirs = match
        raise InputError(
            f"The pose {names[mine]} has the same joints as {tested[theirs][0]}, a test photo."
        )


def find_equal_poses(one: Pose, other: Pose) -> tuple[int, int] | None:
    """Find a usable pose that two sets have in common.

    Args:
        one: Poses in pixels.
        other: Poses in pixels.

    Returns:
        Rows of the first equal pair, ordered by the row in `one`; None if there is none.
    """
    rows = one.usable(OPENPOSE18).nonzero()[:, 0]
    others = other.usable(OPENPOSE18).nonzero()[:, 0]
    first, second = _coordinates(one[rows]), _coordinates(other[others])
    # Equal poses have nearly equal coordinate sums, and few other poses do.
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
    """Return each pose as a vector; missing joints are placed far away from any real joint."""
    away: Float[Tensor, "batch joints 2"] = torch.where(
        pose.visible[..., None], pose.joints.double(), -1e4
    )
    return away.flatten(1).numpy()
