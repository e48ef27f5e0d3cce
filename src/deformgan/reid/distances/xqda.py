"""Xqda: the directions in which people differ more than views of them, and a distance there."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.distances.pair_scatter import pair_scatter


class Xqda:
    """Cross-view quadratic discriminant analysis.

    Source:
        Liao et al., "Person Re-identification by Local Maximal Occurrence Representation and Metric
        Learning", CVPR 2015: the generalized eigenvectors of both covariances whose ratio is above
        1, and there the difference of the inverse covariances. Their ridge is 0.001 for features of
        their size, on the covariance of one person; here it is that share of the mean variance, on
        both. Pairs of two people may be of one camera, theirs are of two.
    """

    learns = True

    def __init__(self):
        self._project = self._metric = torch.empty(0)

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Learns from people who are not tested on; see `Distance`."""
        scatter = pair_scatter(vectors, people, cameras)
        whiten = torch.linalg.inv(torch.linalg.cholesky(scatter.same))
        ratio, axes = torch.linalg.eigh(whiten @ scatter.other @ whiten.T)  # ascending
        # At least one direction, even where views differ more than people do everywhere.
        useful = max(1, int((ratio > 1).sum()))
        self._project = whiten.T @ axes[:, -useful:]
        same, other = (
            self._project.T @ part @ self._project for part in (scatter.same, scatter.other)
        )
        self._metric = torch.linalg.inv(same) - torch.linalg.inv(other)

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Gives values that grow with the distance."""
        projected = [vectors.double() @ self._project for vectors in (query, gallery)]
        squares = [((vectors @ self._metric) * vectors).sum(dim=1) for vectors in projected]
        product = projected[0] @ self._metric @ projected[1].T
        return squares[0][:, None] + squares[1] - 2 * product
