"""Percentile bootstrap intervals of means."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor

_CHUNK = 10_000_000


def bootstrap_interval(
    values: Float[Tensor, "images"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    weights: Num[Tensor, "images"] | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> tuple[float, float]:
    """Compute the bootstrap confidence interval of a mean over images.

    Images of one person are correlated. With `clusters`, people are resampled, each with all their
    images: the interval is then over people.

    Args:
        values: One number per image.
        resamples: Number of bootstrap resamples, drawn with replacement.
        seed: Random seed; the same images in the same order yield the same interval.
        confidence: Fraction of the resampled means inside the interval.
        weights: Non-negative weights of the images, such as the denominators if values are
            fractions; None for equal weights.
        clusters: Person in each image; None to resample individual images.

    Returns:
        Lower and upper end; NaN if a value is NaN or infinite.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979: the percentile interval.
    """
    if values.isnan().any():
        return math.nan, math.nan
    column = None if weights is None else weights[:, None]
    ends = bootstrap_intervals(values[:, None], resamples, seed, confidence, column, clusters)
    low, high = ends[0].tolist()
    return low, high


def bootstrap_intervals(
    values: Float[Tensor, "images metrics"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    weights: Num[Tensor, "images metrics"] | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> Float[Tensor, "metrics 2"]:
    """Compute the intervals of many metrics from the same resamples, in about the time of one.

    Args:
        values: One number per image and metric; NaN where an image has none, and is ignored.
        resamples: As in `bootstrap_interval`.
        seed: As in `bootstrap_interval`.
        confidence: As in `bootstrap_interval`.
        weights: As in `bootstrap_interval`, for each metric.
        clusters: As in `bootstrap_interval`.

    Returns:
        Lower and upper ends; NaN for a metric without values, or with an infinite one.
    """
    if len(values) == 0:
        raise ValueError("an interval needs at least one value, got none.")
    present = ~values.isnan()
    counts = (_weights(values, weights) * present).cpu().numpy()
    # With an infinite value (the PSNR of an identical picture), most resamples are infinite too.
    infinite = values.isinf().any(dim=0)
    sums = values.double().nan_to_num(0, 0, 0).cpu().numpy() * counts
    if clusters is not None:
        of_image = _cluster_numbers(clusters)
        groups = np.zeros((max(of_image) + 1, 2 * sums.shape[1]))
        np.add.at(groups, of_image, np.concatenate([sums, counts], axis=1))
        sums, counts = np.split(groups, 2, axis=1)
    random = np.random.default_rng(seed)
    size = len(sums)
    rows = max(1, _CHUNK // 8 // size)
    means = []
    for start in range(0, resamples, rows):
        drawn = random.integers(size, size=(min(rows, resamples - start), size))
        # Count how often each image was drawn: sums over resamples are then matrix products.
        places = drawn + size * np.arange(len(drawn))[:, None]
        times = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
        with np.errstate(invalid="ignore"):  # a resample may contain no image with a value
            means.append(times @ sums / (times @ counts))
    tail = (1 - confidence) / 2
    every = np.concatenate(means)
    ends = np.full((sums.shape[1], 2), np.nan)
    some = (present.any(dim=0) & ~infinite).cpu().numpy()
    if some.any():
        ends[some] = np.nanquantile(every[:, some], [tail, 1 - tail], axis=0).T
    return torch.from_numpy(ends)


@dataclass(frozen=True)
class BootstrapMean:
    """A mean over the images that have a number.

    Attributes:
        value: The mean.
        interval: Lower and upper end of its interval.
        count: Number of images that have a number.
    """

    value: float
    interval: tuple[float, float]
    count: int


def bootstrap_means(
    values: Float[Tensor, "images metrics"],
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    weights: Num[Tensor, "images metrics"] | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> list[BootstrapMean | None]:
    """Compute mean, interval and count of every metric; arguments as in `bootstrap_intervals`.

    Returns:
        One per metric; None for a metric without values.
    """
    ends = bootstrap_intervals(values, resamples, seed, confidence, weights, clusters).tolist()
    found: list[BootstrapMean | None] = []
    for column, (low, high) in enumerate(ends):
        present = ~values[:, column].isnan()
        count = int(present.sum())
        some = None if weights is None else weights[present, column]
        mean = weighted_mean(values[present, column], some) if count else None
        found.append(None if mean is None else BootstrapMean(mean, (low, high), count))
    return found


def weighted_mean(
    values: Float[Tensor, "images"], weights: Num[Tensor, "images"] | None = None
) -> float:
    """Compute the mean that belongs to `bootstrap_interval`; arguments as there."""
    numbers = _weights(values, weights)
    return ((values.double() * numbers).sum() / numbers.sum()).item()


def _cluster_numbers(clusters: Sequence[Hashable]) -> list[int]:
    order: dict[Hashable, int] = {}
    return [order.setdefault(cluster, len(order)) for cluster in clusters]


def _weights(values: Tensor, weights: Tensor | None) -> Tensor:
    return torch.ones_like(values, dtype=torch.float64) if weights is None else weights.double()
