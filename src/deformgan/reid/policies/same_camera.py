"""SameCamera: poses seen by the source's own camera, whose background the picture keeps."""

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.choice import Choice


class SameCamera:
    """Draws poses that fit the height and the direction from which the source's camera looks.

    Where that camera has too few, those of other cameras follow.

    Args:
        photos: Whose poses they are, whoever is in them.
        asked: First row whose pose may be asked for; the photos before it only tell who was seen
            in which poses already.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Orders the camera's other poses at random, then all others."""
        rows = self._choice.shuffled(source, random)
        cameras = self._choice.photos.cameras
        other = (cameras[rows] != cameras[source]).long()
        return rows[other.argsort(stable=True)]
