"""Euclidean: the length of the difference."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Euclidean:
    """Compares places; for vectors of length 1 in the same order as `Cosine`."""

    learns = False

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Has nothing to learn."""

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Gives distances, not squared."""
        return torch.cdist(query, gallery)
