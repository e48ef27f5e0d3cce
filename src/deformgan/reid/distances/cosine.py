"""Cosine: one minus the cosine of the angle between two vectors."""

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


class Cosine:
    """Cosine distance."""

    trainable = False

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Do nothing; see `Distance`."""

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Return distances in [0, 2]."""
        return 1 - F.normalize(query, dim=1) @ F.normalize(gallery, dim=1).T
