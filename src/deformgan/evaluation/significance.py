"""Significance: whether systems differ by more than chance, in one comparison and in several."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

FLIPS = 9_999
EXACT = 12  # pairs that differ; up to here all of their signs are tried
_CHUNK = 4_000_000


def sign_flip_test(
    differences: Float[Tensor, "pairs metrics"], flips: int = FLIPS, seed: int = 0
) -> Float[Tensor, "metrics"]:
    """Asks how often chance alone would make two systems differ by as much.

    If the systems were alike, each pair's difference could as well have the other sign. All signs
    are tried where at most 12 pairs differ; else random ones.

    Args:
        differences: One per pair and metric, times the pair's weight in the mean; 0 where a pair
            has none.
        flips: How many random choices of signs.
        seed: Of the choices.

    Returns:
        Two-sided p values; never 0, as the signs that were seen count as one of the choices.

    Source:
        Fisher, "The Design of Experiments", 1935, section 21; counted as in Phipson and Smyth,
        "Permutation P-values Should Never Be Zero", 2010.
    """
    values = differences.double().cpu().numpy()
    seen = np.abs(values.sum(axis=0))
    scale = np.abs(values).sum(axis=0)
    least = seen - 1e-12 * scale  # sums of equal terms in another order are equal too
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


def holm(p: Sequence[float]) -> list[float]:
    """Corrects p values for having made several comparisons.

    Where each is called significant below a level, the chance that any of them is so wrongly stays
    below that level, however they depend on each other.

    Args:
        p: Of each comparison, in [0, 1].

    Source:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = largest
    return corrected
