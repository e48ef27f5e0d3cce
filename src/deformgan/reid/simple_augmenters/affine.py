"""Affine: the whole photo warped by one transform into another pose, the simplest pose transfer."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from deformgan.affine import fit_affine
from deformgan.datasets import open_dataset
from deformgan.pose import Pose
from deformgan.reid.augmenter import as_generated, draw_uniform
from deformgan.reid.simple_augmenters.moving import move_photos
from deformgan.reid.training_photos import TrainingPhotos

TRIES = 8  # target poses to try per image until a transform can be fitted


class Affine:
    """Augmenter that fits one affine transform to all joints visible in both poses.

    Target poses are drawn from all photos with visible hips and shoulders, of any identity, as in
    the paper. Photos without them are not augmented.

    Attributes:
        names: Names of photos with known poses.
        poses: One per name, in pixels of the images.
        usable: Whether each pose can be source or target.
    """

    def __init__(self, names: list[str], poses: Pose, usable: Bool[Tensor, "photos"]):
        self.names = names
        self.poses = poses
        self.usable = usable

    @staticmethod
    def open(data: Path, size: tuple[int, int]) -> "Affine":
        """Load the poses of a data set's training identities.

        Args:
            data: Folder of a data set, with its annotation table.
            size: (height, width) that photos are resized to.
        """
        people = open_dataset(data, split="train", size=size, fit="stretch")
        return Affine(people.names, people.poses, people.usable)

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`."""
        digest = hashlib.sha256(self.poses.joints.numpy().tobytes()).hexdigest()
        return {"simple": "affine", "poses": int(self.usable.sum()), "joints_sha256": digest}

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`."""
        place = {name: row for row, name in enumerate(self.names)}
        posed = [
            (row, place[name])
            for row, name in enumerate(kept.names)
            if name in place and self.usable[place[name]]
        ]
        rows, sources = torch.tensor(posed, dtype=torch.int64).reshape(-1, 2).unbind(dim=1)
        names = [kept.names[row] for row in rows.tolist()]
        of_rows, numbers, pictures = [rows[:0]], [], [kept.images[:0]]
        for number in range(1, count + 1 if names else 1):
            transforms, found = self._transforms(sources, names, number, seed)
            of_rows.append(rows[found])
            numbers += [number] * int(found.sum())
            pictures.append(move_photos(kept.images[rows[found]], transforms[found]))
        return as_generated(kept, torch.cat(of_rows), numbers, torch.cat(pictures))

    def _transforms(
        self, sources: Int64[Tensor, "photos"], names: list[str], number: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return every photo's first valid transform, and whether it has one."""
        pool = self.usable.nonzero()[:, 0]
        drawn = (draw_uniform(names, number, seed, TRIES) * len(pool)).long()
        targets = pool[drawn]  # (photos, TRIES)
        source_joints = self.poses.joints[sources][:, None].expand(-1, TRIES, -1, -1)
        common = self.poses.visible[sources][:, None] & self.poses.visible[targets]
        transforms, found = fit_affine(source_joints, self.poses.joints[targets], common)
        found &= targets != sources[:, None]  # a transform into its own pose would be a copy
        first = found.int().argmax(dim=1)
        each = torch.arange(len(sources))
        return transforms[each, first], found[each, first]
