"""Estimate: a mean over pairs, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.evaluation.bootstrap import bootstrap_interval, weighted_mean
from deformgan.evaluation.pckh import counts_joints


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Attributes:
        value: The mean over pairs.
        pairs: Its 95 % interval, for other draws of pairs of these people.
        identities: Its 95 % interval, for other draws of people.
    """

    value: float
    pairs: tuple[float, float]
    identities: tuple[float, float]


def estimate_means(
    numbers: Mapping[str, Float[Tensor, "pairs"]],
    identities: Sequence[str],
    asked: Int64[Tensor, "pairs"],
) -> dict[str, Estimate]:
    """Gives mean and 95 % intervals of every metric.

    Args:
        numbers: Of one system, or differences of two.
        identities: Whom each pair shows.
        asked: How many joints each pair asks for; PCKh is the share of all of them.
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
    """Gives the difference of every metric, pair by pair: what is hard for both cancels."""
    return {name: first[name].double() - second[name].double() for name in first}
