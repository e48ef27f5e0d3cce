"""SameCamera: poses seen by the source's camera, matching the kept background."""

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.choice import Choice


class SameCamera:
    """Policy that prefers poses from the source's camera, which match its height and angle.

    If that camera has too few, those of other cameras follow.

    Args:
        photos: Photos of the candidate poses, of any identity.
        asked: First row of the allowed target poses; earlier rows are not drawn.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Return the camera's other poses in random order, then those of other cameras."""
        rows = self._choice.shuffled(source, random)
        cameras = self._choice.photos.cameras
        other = (cameras[rows] != cameras[source]).long()
        return rows[other.argsort(stable=True)]
