"""Kissme: a Mahalanobis distance from a likelihood ratio of same and different identity."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.distances.pair_scatter import pair_scatter

DIMENSIONS = 200  # the paper's


class Kissme:
    """KISSME: Mahalanobis distance from the covariances of positive and negative pairs.

    Args:
        dimensions: Number of principal components to reduce vectors to, at most the number of
            features.

    Source:
        Koestinger et al., "Large Scale Metric Learning from Equivalence Constraints", CVPR 2012: M
        is the difference of the inverse covariances, projected onto the positive semi-definite
        cone. PCA to 200 dimensions as in Deformable GANs, see `../shared/spec/paper.md` 2.6.
        Positive pairs are across cameras, as in retrieval; all pairs are used, not a sample. Both
        covariances get a ridge (see `pair_scatter`), unlike in the paper.
    """

    trainable = True

    def __init__(self, dimensions: int = DIMENSIONS):
        self.dimensions = dimensions
        self._mean = self._project = torch.empty(0)

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Fit to training identities; see `Distance`."""
        vectors = vectors.double()
        self._mean = vectors.mean(dim=0)
        centred = vectors - self._mean
        _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending
        components = directions.flip(1)[:, : self.dimensions]
        scatter = pair_scatter(centred @ components, people, cameras)
        metric = torch.linalg.inv(scatter.same) - torch.linalg.inv(scatter.other)
        values, axes = torch.linalg.eigh((metric + metric.T) / 2)
        self._project = components @ (axes * values.clamp(min=0).sqrt())

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Return squared distances."""
        projected = [
            (vectors.double() - self._mean) @ self._project for vectors in (query, gallery)
        ]
        squares = [vectors.square().sum(dim=1) for vectors in projected]
        product = projected[0] @ projected[1].T
        return (squares[0][:, None] + squares[1] - 2 * product).clamp(min=0)
