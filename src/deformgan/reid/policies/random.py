"""Random: the paper's choice of poses, any training photo's as likely as any other's."""

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.choice import Choice


class Random:
    """Draws poses uniformly, without any twice, from all training photos that have one.

    Args:
        photos: Whose poses they are, whoever is in them.
        asked: First row whose pose may be asked for; the photos before it only tell who was seen
            in which poses already.

    Source:
        The authors' `create_dataset_for_reid`: uniform without replacement over valid images.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Orders all other poses at random; see `PosePolicy`."""
        return self._choice.shuffled(source, random)
