"""Estimate: a mean over pairs with its confidence intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.evaluation.pckh import counts_joints
from deformgan.stats.bootstrap import bootstrap_interval, weighted_mean


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence intervals.

    Attributes:
        value: The mean over pairs.
        pairs: 95 % interval over pairs of these people.
        identities: 95 % interval over people.
    """

    value: float
    pairs: tuple[float, float]
    identities: tuple[float, float]


def estimate_means(
    numbers: Mapping[str, Float[Tensor, "pairs"]],
    identities: Sequence[str],
    asked: Int64[Tensor, "pairs"],
) -> dict[str, Estimate]:
    """Compute the mean and 95 % intervals of every metric.

    Args:
        numbers: Numbers of one system, or differences of two, by metric.
        identities: Identity of the person in each pair.
        asked: Number of visible target joints of each pair, by which PCKh is weighted.
    """
    estimates = {}
    for name, values in numbers.items():
        weights = asked if counts_joints(name) else None
        estimates[name] = Estimate(
            weighted_mean(values, weights),
            bootstrap_interval(values, weights=weights),
            bootstrap_interval(values, weights=weights, clusters=identities),
        )
    return estimates


def subtract(
    first: Mapping[str, Float[Tensor, "pairs"]], second: Mapping[str, Float[Tensor, "pairs"]]
) -> dict[str, Float[Tensor, "pairs"]]:
    """Compute paired differences of every metric: difficulty common to both systems cancels."""
    return {name: first[name].double() - second[name].double() for name in first}
