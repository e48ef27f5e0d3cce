"""Random: the paper's policy, uniform over all training poses."""

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.choice import Choice


class Random:
    """Policy that draws poses uniformly without replacement from all usable training poses.

    Args:
        photos: Photos of the candidate poses, of any identity.
        asked: First row of the allowed target poses; earlier rows are not drawn.

    Source:
        The authors' `create_dataset_for_reid`: uniform without replacement over valid images.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Return all other poses in random order; see `PosePolicy`."""
        return self._choice.shuffled(source, random)
