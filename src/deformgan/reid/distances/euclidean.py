"""Euclidean: the norm of the difference."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Euclidean:
    """Euclidean distance; for L2-normalized vectors, the ranking is that of `Cosine`."""

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
        """Return distances, not squared."""
        return torch.cdist(query, gallery)
