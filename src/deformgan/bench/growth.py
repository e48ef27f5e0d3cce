"""How cost grows with batch, rows, window and parts, and how it should."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deformgan.bench.comparisons import CHANNELS, with_backward
from deformgan.bench.people import bundled_parts, random_features, random_views
from deformgan.bench.plain_forms import ten_copies
from deformgan.bench.timing import Run, Spread, time_run
from deformgan.checkpoint import load_generator
from deformgan.deformable_skip import warp_parts
from deformgan.draw.plots import Point, Series, draw_lines, save_plot
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss

BATCHES = (1, 2, 4, 8, 16)
ROWS = (32, 64, 128, 256)
WINDOWS = (1, 3, 5, 7)
PARTS = (10, 20, 40)


@dataclass(frozen=True)
class Growth:
    """Cost of something, as one of its sizes grows.

    Attributes:
        name: What is timed.
        axis: What grows.
        sizes: Its values.
        seconds: Measured time for each.
        expected: Seconds that each should take by the number of operations, as much as measured for
            the largest size.
        excess: The largest ratio of measured to expected time.
    """

    name: str
    axis: str
    sizes: list[int]
    seconds: list[Spread]
    expected: list[float]
    excess: float


def compare_growth(
    name: str,
    axis: str,
    sizes: Sequence[int],
    time: Callable[[int], Spread],
    operations: Callable[[int], float],
) -> Growth:
    """Compare measured times with a line through the largest size.

    Args:
        name: See `Growth`, as for the next two.
        axis: What grows.
        sizes: Its values.
        time: Measures the time for a size.
        operations: Number of operations for a size, in any unit.
    """
    taken = [time(size) for size in sizes]
    unit = taken[-1].median / operations(sizes[-1])
    expected = [unit * operations(size) for size in sizes]
    excess = max(one.median / line for one, line in zip(taken, expected, strict=True))
    return Growth(name, axis, list(sizes), taken, expected, excess)


def measure_growth(device: str, seconds: float, least: int = 3) -> list[Growth]:
    """Time operations, forward and backward, and the generator as their sizes grow.

    Args:
        device: Device to compute on.
        seconds: Time to spend on each size.
        least: Number of repetitions to make even if they take longer.
    """

    def timed(make: Callable[[int], Run]) -> Callable[[int], Spread]:
        return lambda size: time_run(make(size), device, seconds, least)

    def generate(batch: int) -> Run:
        view, target = random_views(batch, (128, 64), device)

        def run() -> None:
            with torch.inference_mode():
                generator(view, target)

        return run

    def skip(rows: int) -> Run:
        size = (rows, rows // 2)
        features = random_features(1, CHANNELS, size, device)
        transforms, masks = bundled_parts(1, size, device)
        return with_backward(lambda: warp_parts(features, transforms, masks).mean(), features)

    def loss(rows: int, window: int = 3) -> Run:
        generated, target = (
            random_features(1, CHANNELS, (rows, rows // 2), device) for _ in range(2)
        )
        return with_backward(lambda: nearest_neighbour_loss(generated, target, window), generated)

    def parts(number: int, warp: Callable = warp_parts) -> Run:
        size = (128, 64)
        features = random_features(1, CHANNELS, size, device)
        transforms, masks = _divide(*bundled_parts(1, size, device), number)
        return with_backward(lambda: warp(features, transforms, masks).mean(), features)

    generator = load_generator("pedestrian-base", device)[0]

    def of_window(window: int) -> Run:
        return loss(128, window)

    def copies(number: int) -> Run:
        return parts(number, ten_copies)

    nearest = "nearest-neighbour loss"
    return [
        compare_growth("generator", "batch", BATCHES, timed(generate), float),
        compare_growth("deformable skip", "rows", ROWS, timed(skip), lambda rows: rows**2),
        compare_growth(nearest, "rows", ROWS, timed(loss), lambda rows: rows**2),
        compare_growth(nearest, "window", WINDOWS, timed(of_window), lambda window: window**2),
        # Ours depends on the masks' area, which stays the same.
        compare_growth("deformable skip", "parts", PARTS, timed(parts), lambda number: 1.0),
        compare_growth("one copy per part", "parts", PARTS, timed(copies), float),
    ]


def _divide(transforms: Tensor, masks: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Divide parts into more of the same total area: every piece gets some rows of its part."""
    pieces = number // masks.shape[1]
    rows = torch.arange(masks.shape[2], device=masks.device) % pieces
    stripes = rows == torch.arange(pieces, device=masks.device)[:, None]  # (pieces, H)
    divided = masks[:, :, None] & stripes[:, :, None]  # (B, P, pieces, H, W)
    return transforms.repeat_interleave(pieces, dim=1), divided.flatten(1, 2)


def draw_growth(growths: Sequence[dict[str, Any]], folder: Path, note: str = "") -> list[Path]:
    """Draw one plot per axis: what was measured, and dashed what it should be.

    Args:
        growths: Each `Growth` as a dictionary, as in a report.
        folder: Existing folder of the figures.
        note: Footnote, such as the machine.
    """
    files = []
    for axis in dict.fromkeys(growth["axis"] for growth in growths):
        series = []
        for colour, growth in enumerate((one for one in growths if one["axis"] == axis), start=1):
            measured = [
                Point(size, taken["median"] * 1e3, (taken["high"] - taken["low"]) / 2 * 1e3)
                for size, taken in zip(growth["sizes"], growth["seconds"], strict=True)
            ]
            line = [
                Point(size, value * 1e3)
                for size, value in zip(growth["sizes"], growth["expected"], strict=True)
            ]
            series += [
                Series(growth["name"], measured, colour),
                Series(f"{growth['name']}, expected", line, colour, 1),
            ]
        path = folder / f"growth-{axis}.png"
        save_plot(draw_lines(series, f"Cost against {axis}", axis, "ms", note), path)
        files.append(path)
    return files
