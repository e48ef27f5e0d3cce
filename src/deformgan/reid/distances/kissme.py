"""Kissme: is the difference of two vectors more likely that of one person, or that of two?"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.distances.pair_scatter import pair_scatter

DIMENSIONS = 200  # the paper's


class Kissme:
    """A Mahalanobis distance from two covariances.

    Args:
        dimensions: Vectors are first reduced to so many principal components, or to fewer where
            there are not so many features.

    Source:
        Koestinger et al., "Large Scale Metric Learning from Equivalence Constraints", CVPR 2012:
        M is the difference of the inverse covariances, without its negative part. Section 2.6 of
        the method's protocols: PCA to 200 dimensions. Pairs of one person are of two cameras, as in
        the search; all pairs are taken, not a draw of them. Both covariances get a ridge (see
        `pair_scatter`), which the paper does without.
    """

    learns = True

    def __init__(self, dimensions: int = DIMENSIONS):
        self.dimensions = dimensions
        self._mean = self._project = torch.empty(0)

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Learns from people who are not tested on; see `Distance`."""
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
        """Gives squared distances."""
        projected = [
            (vectors.double() - self._mean) @ self._project for vectors in (query, gallery)
        ]
        squares = [vectors.square().sum(dim=1) for vectors in projected]
        product = projected[0] @ projected[1].T
        return (squares[0][:, None] + squares[1] - 2 * product).clamp(min=0)
