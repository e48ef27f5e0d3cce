"""Significance tests, with correction for multiple comparisons."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

FLIPS = 9_999
EXACT = 12  # largest number of differing pairs for the exact test over all signs
_CHUNK = 4_000_000


def sign_flip_test(
    differences: Float[Tensor, "pairs metrics"], flips: int = FLIPS, seed: int = 0
) -> Float[Tensor, "metrics"]:
    """Compute p values of the paired sign-flip permutation test.

    Under the null hypothesis, the sign of each pair's difference is arbitrary. The test is exact,
    over all signs, if at most 12 pairs differ; otherwise signs are sampled.

    Args:
        differences: One per pair and metric, times the pair's weight in the mean; 0 where a pair
            has none.
        flips: Number of random sign assignments.
        seed: Random seed for the signs.

    Returns:
        Two-sided p values; never 0, because the observed signs count as one assignment.

    Source:
        Fisher, "The Design of Experiments", 1935, section 21; counted as in Phipson and Smyth,
        "Permutation P-values Should Never Be Zero", 2010.
    """
    values = differences.double().cpu().numpy()
    seen = np.abs(values.sum(axis=0))
    scale = np.abs(values).sum(axis=0)
    least = seen - 1e-12 * scale  # tolerance for sums in another order
    p = np.empty(values.shape[1])
    differing = (values != 0).sum(axis=0)
    for column in np.flatnonzero(differing <= EXACT):
        terms = values[values[:, column] != 0, column]
        signs = np.array(list(product((1.0, -1.0), repeat=len(terms)))).reshape(2 ** len(terms), -1)
        p[column] = (np.abs(signs @ terms) >= least[column]).mean()
    if (many := differing > EXACT).any():
        random = np.random.default_rng(seed)
        rows = max(1, _CHUNK // len(values))
        exceeded = np.zeros(many.sum())
        for start in range(0, flips, rows):
            shape = (min(rows, flips - start), len(values))
            signs = random.integers(2, size=shape, dtype=np.int8) * 2.0 - 1.0
            exceeded += (np.abs(signs @ values[:, many]) >= least[many]).sum(axis=0)
        p[many] = (1 + exceeded) / (1 + flips)
    return torch.from_numpy(p)


def sign_test(successes: int, trials: int) -> float:
    """Return the exact two-sided p value of the sign test, for equally likely answers."""
    fewer = min(successes, trials - successes)
    below = sum(math.comb(trials, count) for count in range(fewer + 1))
    return min(1.0, 2 * below / 2**trials)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values for multiple comparisons by Holm's method.

    It controls the family-wise error rate under any dependence between the comparisons.

    Args:
        p: P value of each comparison, in [0, 1].

    Source:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = largest
    return corrected
