"""Our operations against plain forms, forward and backward, as ratios of one run."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deformgan.bench.people import bundled_parts, random_features
from deformgan.bench.plain_forms import stacked_shifts, ten_copies
from deformgan.bench.timing import Run, Spread, alternate, peak_memory
from deformgan.deformable_skip import warp_parts
from deformgan.kernels import find_kernel, in_pytorch
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss

CHANNELS = 64  # as in VGG-19's conv1_2 and the generator's first level

# Image size, window and batch of the paper's two data sets, and a batch that takes less time.
SETTINGS = {"": ((128, 64), 3, 4, 4), "_256": ((256, 256), 5, 2, 1)}


@dataclass(frozen=True)
class Comparison:
    """Two implementations of one operation, each forward and backward.

    Attributes:
        name: Name of the ratio, ours over the other.
        ours: Runs our implementation once.
        other: Runs the other implementation once.
    """

    name: str
    ours: Run
    other: Run


@dataclass(frozen=True)
class Measurement:
    """Measured time and memory of a comparison.

    Attributes:
        ratio: Our time over the other's in the same repetition, median over repetitions.
        ours: Our time in seconds, median over repetitions.
        other: The other's time in seconds, median over repetitions.
        ratio_spread: Quartiles of the ratio.
        ours_spread: Quartiles of our time.
        other_spread: Quartiles of the other's time.
        ours_peak: Our peak tensor memory in bytes, beyond the inputs.
        other_peak: The other's peak tensor memory in bytes, beyond the inputs.
        repetitions: Number of timed repetitions.
    """

    ratio: float
    ours: float
    other: float
    ratio_spread: tuple[float, float]
    ours_spread: tuple[float, float]
    other_spread: tuple[float, float]
    ours_peak: int
    other_peak: int
    repetitions: int


def comparisons(device: str = "cpu", quick: bool = False) -> list[Comparison]:
    """Return all comparisons; the suffix `_256` means 256x256 images and window 5.

    Args:
        device: Device to run on.
        quick: One image of 256x256, not two.
    """
    found = []
    settings = {
        suffix: (size, window, small if quick else batch)
        for suffix, (size, window, batch, small) in SETTINGS.items()
    }
    for suffix, (size, window, batch) in settings.items():
        generated, target = (random_features(batch, CHANNELS, size, device) for _ in range(2))
        named = f"{suffix}_n{window}" if suffix else ""

        def nearest(generated=generated, target=target, window=window) -> Tensor:
            return nearest_neighbour_loss(generated, target, window)

        def l1(generated=generated, target=target) -> Tensor:
            return (generated - target).abs().mean()

        def stacked(generated=generated, target=target, window=window) -> Tensor:
            return stacked_shifts(generated, target, window)

        ours = with_backward(nearest, generated)
        found.append(Comparison(f"nn_loss_vs_l1{named}", ours, with_backward(l1, generated)))
        found.append(
            Comparison(f"nn_loss_vs_stacked{named}", ours, with_backward(stacked, generated))
        )
        if _fused(device):
            name = f"nn_loss_fused_vs_pytorch{named}"
            found.append(Comparison(name, ours, _in_pytorch(ours)))
    for suffix, (size, _, batch) in settings.items():
        features = random_features(batch, CHANNELS, size, device)
        transforms, masks = bundled_parts(batch, size, device)

        def warp(features=features, transforms=transforms, masks=masks) -> Tensor:
            return warp_parts(features, transforms, masks).mean()

        def copies(features=features, transforms=transforms, masks=masks) -> Tensor:
            return ten_copies(features, transforms, masks).mean()

        ours, plain = (with_backward(run, features) for run in (warp, copies))
        found.append(Comparison(f"deformable_skip_vs_ten_copies{suffix}", ours, plain))
        if _fused(device):
            name = f"deformable_skip_fused_vs_pytorch{suffix}"
            found.append(Comparison(name, ours, _in_pytorch(ours)))
    return found


def measure(comparison: Comparison, device: str, seconds: float, least: int = 3) -> Measurement:
    """Time both sides of a comparison in alternation.

    The memory measurement comes first and serves as warm-up.

    Args:
        comparison: The comparison to run.
        device: Device to run on.
        seconds: Time to spend on repetitions.
        least: Number of repetitions to make even if they take longer.
    """
    ours_peak, other_peak = (
        peak_memory(run, device) for run in (comparison.ours, comparison.other)
    )
    times = alternate([comparison.other, comparison.ours], device, seconds, least)
    other, ours = map(Spread.of, times)
    ratio = Spread.of([mine / theirs for theirs, mine in zip(*times, strict=True)])
    return Measurement(
        ratio.median,
        ours.median,
        other.median,
        (ratio.low, ratio.high),
        (ours.low, ours.high),
        (other.low, other.high),
        ours_peak,
        other_peak,
        ratio.repetitions,
    )


def with_backward(forward: Callable[[], Tensor], leaf: Tensor) -> Run:
    """Return a function that also computes the gradient of a leaf, and drops it."""

    def run() -> None:
        forward().backward()
        leaf.grad = None

    return run


def _in_pytorch(run: Run) -> Run:
    def run_twin() -> None:
        with in_pytorch():
            run()

    return run_twin


def _fused(device: str) -> bool:
    return find_kernel("warp_parts", torch.empty(0, device=device), 10) is not None
