"""Paired comparisons: bootstrap over images, and Student's t for a few training runs."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from jaxtyping import Float, Num
from torch import Tensor

from deformgan.stats.bootstrap import bootstrap_interval, weighted_mean


def paired_difference(
    first: Float[Tensor, "images"],
    second: Float[Tensor, "images"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    weights: Num[Tensor, "images"] | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> tuple[float, float, float]:
    """Compute the mean paired difference of two systems, and its interval.

    Image difficulty common to both systems cancels, so the interval is narrower than those of the
    two systems suggest. An interval without 0 is a significant difference.

    Args:
        first: One number per image.
        second: The other system's numbers for the same images, in the same order.
        resamples: As in `bootstrap_interval`.
        seed: As in `bootstrap_interval`.
        confidence: As in `bootstrap_interval`.
        weights: As in `bootstrap_interval`, shared by both systems.
        clusters: As in `bootstrap_interval`.

    Returns:
        The mean of `first` minus `second`, and the lower and upper ends of its interval.
    """
    difference = first.double() - second.double()
    low, high = bootstrap_interval(difference, resamples, seed, confidence, weights, clusters)
    return weighted_mean(difference, weights), low, high


@dataclass(frozen=True)
class PairedT:
    """Mean difference over runs, with its interval.

    Attributes:
        mean: Mean of the differences.
        low: Lower end of the 95 % interval; minus infinity for one run, or without variance.
        high: Upper end of the interval; infinity for one run, or without variance.
        p: Two-sided p value; 1 for one run, or without variance.
    """

    mean: float
    low: float
    high: float
    p: float


def paired_t(differences: Sequence[float], confidence: float = 0.95) -> PairedT:
    """Return the mean of paired differences with confidence interval and p value.

    Args:
        differences: At least one.
        confidence: Confidence level of the interval.

    Source:
        Student, "The Probable Error of a Mean", Biometrika 1908.
    """
    if not differences:
        raise ValueError("differences must not be empty, got none.")
    mean, freedom = fmean(differences), len(differences) - 1
    if freedom == 0:
        return PairedT(mean, -math.inf, math.inf, 1.0)
    error = stdev(differences) / math.sqrt(len(differences))
    if error <= 1e-12 * abs(mean):
        # Identical differences in a few runs are a coincidence (rank-1 moves in steps of one
        # query), not certainty: the variance cannot be estimated.
        return PairedT(mean, -math.inf, math.inf, 1.0)
    half = student_quantile(confidence, freedom) * error
    return PairedT(mean, mean - half, mean + half, student_tails(mean / error, freedom))


def student_tails(t: float, freedom: int) -> float:
    """Return the two-sided tail probability of Student's t distribution.

    Args:
        t: Student's t.
        freedom: Degrees of freedom, from 1.

    Source:
        Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = (cosine if odd else 1.0) if freedom > 1 else 0.0
    for power in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (power - 1) / power
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1 - inside))


def student_quantile(confidence: float, freedom: int) -> float:
    """Return the t such that [-t, t] has the given probability.

    Args:
        confidence: Probability, in (0, 1).
        freedom: Degrees of freedom, from 1.
    """
    low, high = 0.0, 1.0
    while student_tails(high, freedom) > 1 - confidence:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if student_tails(middle, freedom) > 1 - confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2
