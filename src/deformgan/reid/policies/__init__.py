"""Which poses a photo's person is painted in; each file is one answer."""

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
    """Chooses poses for a photo's person."""

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Orders poses as they are to be tried.

        Args:
            source: Row of the photo.
            count: How many are asked for; those after them are for rejected ones.
            random: Of all that is drawn.

        Returns:
            Rows of photos with a usable pose, each once, the source not among them.
        """
        ...


# Each takes photos and the first row whose pose may be asked for.
POLICIES: dict[str, Callable[[PhotoSet, int], PosePolicy]] = {
    "random": Random,
    "coverage": Coverage,
    "viewpoint": Viewpoint,
    "same-camera": SameCamera,
}
