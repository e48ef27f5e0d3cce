"""Annotations: poses by image name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

_LARGEST = torch.finfo(torch.float32).max  # comparing with it also rejects NaN and infinity


@dataclass(frozen=True)
class Annotations:
    """The contents of a pose file of any format.

    Attributes:
        names: One image (or frame) name per pose, in the file's order. A name occurs repeatedly
            if its image shows several people.
        pose: All poses in one batch, in the order of `names`.
        size: (height, width) of the images, if the file contains it.
        source: Name of the file in error messages.
        skeleton: Skeleton of the poses.
        sizes: (height, width) of single images by name, if the file contains it.
    """

    names: list[str]
    pose: Pose
    size: tuple[int, int] | None = None
    source: str = "the annotations"
    skeleton: Skeleton = OPENPOSE18
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Return an image's (height, width), if the file contains it."""
        return self.sizes.get(name, self.size)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    @cached_property
    def rows(self) -> dict[str, list[int]]:
        """Row indices of the poses by name."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(name, []).append(row)
        return rows

    def people(self, name: str) -> Pose:
        """Return the poses of everyone in an image, in the file's order."""
        if name not in self.rows:
            some = ", ".join(list(self.rows)[:3])
            raise InputError(
                f"{self.source} has no pose named {name!r}; it has {len(self.rows)}: {some}"
                f"{', ...' if len(self.rows) > 3 else ''}."
            )
        return self.pose[self.rows[name]]

    def __getitem__(self, name: str) -> Pose:
        """Return one image's pose as a batch of one; the largest if there are several people."""
        return largest(self.people(name))

    def select(self, names: list[str]) -> "Annotations":
        """Return the annotations of the given images, in the given order."""
        rows = [row for name in names for row in self.rows[name]]
        return replace(self, names=[self.names[row] for row in rows], pose=self.pose[rows])


def largest(people: Pose) -> Pose:
    """Return the pose whose visible joints span the largest box; the first one on ties."""
    return people[[int(box_area(people).argmax())]]


def box_area(pose: Pose) -> Tensor:
    """Compute the area of the box around each pose's visible joints, in square pixels."""
    missing = ~pose.visible[..., None]
    low = pose.joints.masked_fill(missing, torch.inf).amin(dim=1)
    high = pose.joints.masked_fill(missing, -torch.inf).amax(dim=1)
    # Without a visible joint, high - low is -inf and becomes an empty box.
    return (high - low).clamp(min=0).prod(dim=-1)


def are_numbers(values: object, count: int) -> TypeGuard[list[float]]:
    """Return whether a parsed value is a list of `count` numbers that fit in a float32."""
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values)
    )
