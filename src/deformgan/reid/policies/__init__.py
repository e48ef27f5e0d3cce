"""Pose policies, which choose the target poses for a source, one per file."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.coverage import Coverage
from deformgan.reid.policies.random import Random
from deformgan.reid.policies.same_camera import SameCamera
from deformgan.reid.policies.viewpoint import Viewpoint


@runtime_checkable
class PosePolicy(Protocol):
    """A policy that chooses target poses for a source."""

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Return target poses in the order in which to try them.

        Args:
            source: Row of the source.
            count: Number of requested poses; those after them replace rejected ones.
            random: Random generator.

        Returns:
            Rows of photos with a usable pose, without repetition, excluding the source.
        """
        ...


# Each is constructed from photos and the first row of the allowed target poses.
POLICIES: dict[str, Callable[[PhotoSet, int], PosePolicy]] = {
    "random": Random,
    "coverage": Coverage,
    "viewpoint": Viewpoint,
    "same-camera": SameCamera,
}
