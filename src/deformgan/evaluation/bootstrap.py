"""How sure a mean is: percentile bootstrap intervals."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

_CHUNK = 10_000_000


def bootstrap_interval(
    values: Float[Tensor, "images"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Gives the interval in which the mean would fall for other draws of as many images.

    Args:
        values: One number per image.
        resamples: How many times the images are drawn again, with replacement.
        seed: Of the draws; the same images in the same order give the same interval.
        confidence: Share of the redrawn means that lie inside.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979: the percentile interval.
    """
    if len(values) == 0:
        raise ValueError("an interval needs at least one value, got none.")
    numbers = values.double().cpu().numpy()
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(numbers))  # keeps memory bounded for tens of thousands of images
    means = []
    for start in range(0, resamples, rows):
        drawn = random.integers(len(numbers), size=(min(rows, resamples - start), len(numbers)))
        means.append(numbers[drawn].mean(axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def paired_difference(
    first: Float[Tensor, "images"],
    second: Float[Tensor, "images"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Compares two systems image by image: the mean of first minus second, and its interval.

    What makes an image hard for both cancels, so the interval is narrower than those of the two
    systems suggest. An interval without 0 is a significant difference.

    Args:
        first: One number per image.
        second: The other system's numbers for the same images, in the same order.
        resamples: As in `bootstrap_interval`.
        seed: As in `bootstrap_interval`.
        confidence: As in `bootstrap_interval`.

    Returns:
        The mean difference, the low and the high end.
    """
    difference = first.double() - second.double()
    low, high = bootstrap_interval(difference, resamples, seed, confidence)
    return difference.mean().item(), low, high
