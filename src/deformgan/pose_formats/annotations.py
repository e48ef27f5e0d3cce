"""Annotations: poses by the name of the image they belong to."""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

_LARGEST = torch.finfo(torch.float32).max  # NaN and infinity are not below it either


@dataclass(frozen=True)
class Annotations:
    """What a pose file holds, whichever its format.

    Attributes:
        names: One image (or frame) name per pose, in the file's order. A name occurs more than
            once where several people were seen in one image.
        pose: All poses in one batch, in the order of `names`.
        size: (height, width) of the images, where the file tells it.
        source: What to call the file in an error.
        skeleton: What the joints are.
    """

    names: list[str]
    pose: Pose
    size: tuple[int, int] | None = None
    source: str = "the annotations"
    skeleton: Skeleton = OPENPOSE18

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    @cached_property
    def rows(self) -> dict[str, list[int]]:
        """Positions of the poses of every name."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(name, []).append(row)
        return rows

    def people(self, name: str) -> Pose:
        """Gives the poses of everybody seen in one image, in the file's order."""
        if name not in self.rows:
            some = ", ".join(list(self.rows)[:3])
            raise InputError(
                f"{self.source} has no pose named {name!r}; it has {len(self.rows)}: {some}"
                f"{', ...' if len(self.rows) > 3 else ''}."
            )
        return self.pose[self.rows[name]]

    def __getitem__(self, name: str) -> Pose:
        """Gives one image's pose as a batch of one; of several people the largest."""
        return largest(self.people(name))

    def select(self, names: list[str]) -> "Annotations":
        """Keeps the named images, in the order asked for."""
        rows = [row for name in names for row in self.rows[name]]
        return replace(self, names=[self.names[row] for row in rows], pose=self.pose[rows])


def largest(people: Pose) -> Pose:
    """Gives the pose whose visible joints span the largest box, the first one of equals."""
    return people[[int(box_area(people).argmax())]]


def box_area(pose: Pose) -> Tensor:
    """Measures the box around the visible joints of every pose in square pixels."""
    missing = ~pose.visible[..., None]
    low = pose.joints.masked_fill(missing, torch.inf).amin(dim=1)
    high = pose.joints.masked_fill(missing, -torch.inf).amax(dim=1)
    # No visible joint gives inf - inf in the wrong order: an empty box.
    return (high - low).clamp(min=0).prod(dim=-1)


def are_numbers(values: object, count: int) -> TypeGuard[list[float]]:
    """Tells whether something read from a file is a list of that many numbers a pose can hold."""
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values)
    )


def write_whole(path: Path, text: str) -> None:
    """Writes a text file by way of a neighbour, so that a half-written one never has its name."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8", newline="\n")
    os.replace(beside, path)
