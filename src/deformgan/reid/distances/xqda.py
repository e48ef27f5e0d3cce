"""Xqda: a learned subspace and metric that separate identities across views."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.distances.pair_scatter import pair_scatter


class Xqda:
    """Cross-view quadratic discriminant analysis.

    Source:
        Liao et al., "Person Re-identification by Local Maximal Occurrence Representation and Metric
        Learning", CVPR 2015: the generalized eigenvectors of both covariances with a ratio above 1,
        and in that subspace the difference of the inverse covariances. Their ridge is 0.001, for
        features of their scale, on the covariance of positive pairs; here it is that fraction of
        the mean variance, on both. Negative pairs may be from one camera; theirs are from two.
    """

    trainable = True

    def __init__(self):
        self._project = self._metric = torch.empty(0)

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Fit to training identities; see `Distance`."""
        scatter = pair_scatter(vectors, people, cameras)
        whiten = torch.linalg.inv(torch.linalg.cholesky(scatter.same))
        ratio, axes = torch.linalg.eigh(whiten @ scatter.other @ whiten.T)  # ascending
        # At least one direction, even if views differ more than identities in all of them.
        useful = max(1, int((ratio > 1).sum()))
        self._project = whiten.T @ axes[:, -useful:]
        same, other = (
            self._project.T @ part @ self._project for part in (scatter.same, scatter.other)
        )
        self._metric = torch.linalg.inv(same) - torch.linalg.inv(other)

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Return values that increase with distance; they can be negative."""
        projected = [vectors.double() @ self._project for vectors in (query, gallery)]
        squares = [((vectors @ self._metric) * vectors).sum(dim=1) for vectors in projected]
        product = projected[0] @ self._metric @ projected[1].T
        return squares[0][:, None] + squares[1] - 2 * product
