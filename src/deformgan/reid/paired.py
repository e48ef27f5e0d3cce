"""Paired t test for a few training runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


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
