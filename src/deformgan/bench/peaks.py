"""Measured peaks of a device, and which share of them operations and networks reach."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from deformgan.bench.comparisons import CHANNELS, with_backward
from deformgan.bench.people import bundled_parts, random_features, random_views
from deformgan.bench.timing import Run, time_run
from deformgan.deformable_skip import warp_parts
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.models.generator import Generator, GeneratorConfig

COPIED = 2**28  # bytes; larger than a GPU's caches
SIDE = 4096  # of the matrices
BATCH = 64
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Peaks:
    """What a device reaches, and what we reach of it.

    Attributes:
        bytes_per_second: Of a copy, read and written.
        operations_per_second: Of a square matrix product, by precision; a multiplication with its
            addition counts as two.
        shares: Share of the copy's bytes per second that skip and loss reach, counted by what must
            be read and written at least; and of the product's operations per second that the
            paper's generator reaches.
    """

    bytes_per_second: float
    operations_per_second: dict[str, float]
    shares: dict[str, float]


def measure_peaks(device: str, seconds: float, least: int = 3) -> Peaks:
    """Measure peaks, and the shares that skip, loss and generator reach.

    Args:
        device: Device to measure.
        seconds: Time to spend on each measurement.
        least: Number of repetitions to make even if they take longer.
    """

    def taken(run: Run) -> float:
        return time_run(run, device, seconds, least).median

    source = torch.empty(COPIED // 4, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * COPIED / taken(lambda: target.copy_(source))
    products = {}
    for name, dtype in _PRECISIONS.items():
        matrix = torch.randn(SIDE, SIDE, device=device).to(dtype)
        products[name] = 2 * SIDE**3 / taken(lambda matrix=matrix: matrix @ matrix)

    shares = {}
    size = (128, 64)
    features, other = (random_features(BATCH, CHANNELS, size, device) for _ in range(2))
    transforms, masks = bundled_parts(min(BATCH, 16), size, device)
    repeats = -(-BATCH // len(masks))
    transforms, masks = (part.repeat(repeats, 1, 1, 1)[:BATCH] for part in (transforms, masks))
    # Forward: features in, result out; backward: gradient in, gradient out.
    skip = with_backward(lambda: warp_parts(features, transforms, masks).sum(), features)
    shares["deformable_skip"] = 4 * features.nbytes / taken(skip) / bandwidth
    # Forward: both features in; backward: both in again, and the gradient out.
    loss = with_backward(lambda: nearest_neighbour_loss(features, other, 3), features)
    shares["nearest_neighbour_loss"] = 5 * features.nbytes / taken(loss) / bandwidth

    network = Generator(GeneratorConfig()).to(device).eval()
    view, pose = random_views(min(BATCH, 16), size, device)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network(view, pose)
        for name, dtype in _PRECISIONS.items():
            with torch.autocast(torch.device(device).type, dtype, enabled=name == "bfloat16"):
                reached = counter.get_total_flops() / taken(lambda: network(view, pose))
            shares[f"generator_{name}"] = reached / products[name]
    return Peaks(bandwidth, products, shares)
