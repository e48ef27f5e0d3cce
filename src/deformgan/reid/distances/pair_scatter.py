"""Covariances of differences between embeddings, over all pairs in closed form."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.errors import InputError

RIDGE = 1e-3  # added to every variance, relative to the mean variance
_ROUNDING = 1e-12  # relative to the mean square; differences below this are zero


@dataclass(frozen=True)
class PairScatter:
    """Second moments of pairwise differences about 0, in float64.

    Attributes:
        same: Pairs of one identity across cameras.
        other: Pairs of different identities, by any cameras.
    """

    same: Float[Tensor, "features features"]
    other: Float[Tensor, "features features"]


def pair_scatter(
    vectors: Float[Tensor, "photos features"],
    people: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
) -> PairScatter:
    """Compute covariances over all pairs without forming the pairs.

    For a group of n vectors X with sum s, the scatter of the differences over all pairs is 2 (n X'X
    - s s'); the result combines such groups by sums and differences. A small ridge keeps both
    matrices invertible if there are fewer photos than features.

    Args:
        vectors: Embeddings of training photos.
        people: Identity in each photo.
        cameras: Camera of each photo.
    """
    vectors = vectors.double()
    size = vectors.square().sum(dim=1).mean()
    vectors = vectors - vectors.mean(dim=0)  # differences are unchanged, with less cancellation
    seen = torch.stack([people, cameras], dim=1)
    everybody = _spread(vectors, torch.zeros_like(people))
    of_person = _spread(vectors, people)
    of_camera = _spread(vectors, seen.unique(dim=0, return_inverse=True)[1])
    same, pairs = of_person[0] - of_camera[0], of_person[1] - of_camera[1]
    if pairs == 0:
        raise InputError(
            "No training identity was seen by two cameras; kissme and xqda need cross-camera pairs."
        )
    other, others = everybody[0] - of_person[0], everybody[1] - of_person[1]
    if others == 0:
        raise InputError("kissme and xqda need at least two training identities, got one.")
    same, other = same / pairs, other / others
    if min(same.trace(), other.trace()) <= _ROUNDING * size:
        raise InputError(
            "All training vectors, or all those of each identity, are equal; kissme and xqda need "
            "them to differ."
        )
    return PairScatter(_ridged(same), _ridged(other))


def _spread(vectors: Tensor, groups: Tensor) -> tuple[Tensor, int]:
    """Return the scatter of ordered pairs within groups, and the number of pairs."""
    _, group, counts = groups.unique(return_inverse=True, return_counts=True)
    sums = vectors.new_zeros(len(counts), vectors.shape[1]).index_add(0, group, vectors)
    weighted = vectors * counts[group, None]
    spread = 2 * (vectors.T @ weighted - sums.T @ sums)
    return spread, int((counts * (counts - 1)).sum())


def _ridged(covariance: Tensor) -> Tensor:
    return covariance + RIDGE * covariance.diagonal().mean() * torch.eye(
        len(covariance), dtype=covariance.dtype
    )
