"""pair_scatter: how differences between vectors spread, over all pairs at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.errors import InputError

RIDGE = 1e-3  # of the mean variance, added to every variance
_ROUNDING = 1e-12  # of the mean square, below which differences are none


@dataclass(frozen=True)
class PairScatter:
    """Covariances of differences, about 0, in float64.

    Attributes:
        same: Of two photos of one person by different cameras.
        other: Of photos of two people, by whichever cameras.
    """

    same: Float[Tensor, "features features"]
    other: Float[Tensor, "features features"]


def pair_scatter(
    vectors: Float[Tensor, "photos features"],
    people: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
) -> PairScatter:
    """Sums over all pairs without making any.

    The differences of all pairs of a group of n vectors X with the sum s spread by
    2 (n X'X - s s'); what is wanted are sums and differences of such groups. A small ridge keeps
    both invertible where photos are fewer than features.

    Args:
        vectors: Of training photos.
        people: Who is in each.
        cameras: Who took it.
    """
    vectors = vectors.double()
    size = vectors.square().sum(dim=1).mean()
    vectors = vectors - vectors.mean(dim=0)  # no difference changes, but less cancels
    seen = torch.stack([people, cameras], dim=1)
    everybody = _spread(vectors, torch.zeros_like(people))
    of_person = _spread(vectors, people)
    of_camera = _spread(vectors, seen.unique(dim=0, return_inverse=True)[1])
    same, pairs = of_person[0] - of_camera[0], of_person[1] - of_camera[1]
    if pairs == 0:
        raise InputError(
            "Nobody to learn from was seen by two cameras; kissme and xqda compare cameras."
        )
    other, others = everybody[0] - of_person[0], everybody[1] - of_person[1]
    if others == 0:
        raise InputError("kissme and xqda learn from two people or more, not from one.")
    same, other = same / pairs, other / others
    if min(same.trace(), other.trace()) <= _ROUNDING * size:
        raise InputError(
            "Vectors of one person, or those of all, never differ; kissme and xqda learn from how "
            "they do."
        )
    return PairScatter(_ridged(same), _ridged(other))


def _spread(vectors: Tensor, groups: Tensor) -> tuple[Tensor, int]:
    """Sums over the ordered pairs within each group, and counts them."""
    _, group, counts = groups.unique(return_inverse=True, return_counts=True)
    sums = vectors.new_zeros(len(counts), vectors.shape[1]).index_add(0, group, vectors)
    weighted = vectors * counts[group, None]
    spread = 2 * (vectors.T @ weighted - sums.T @ sums)
    return spread, int((counts * (counts - 1)).sum())


def _ridged(covariance: Tensor) -> Tensor:
    return covariance + RIDGE * covariance.diagonal().mean() * torch.eye(
        len(covariance), dtype=covariance.dtype
    )
