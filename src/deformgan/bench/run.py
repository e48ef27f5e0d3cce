"""run_bench: all benchmarks, as one report."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from deformgan.bench.comparisons import comparisons, measure
from deformgan.bench.disk import disk_speed
from deformgan.bench.growth import measure_growth
from deformgan.bench.inference import inference_cases, inference_times
from deformgan.bench.machine import describe_machine
from deformgan.bench.moved import moved_cases, moved_times
from deformgan.bench.peaks import measure_peaks
from deformgan.bench.training import loader_speed, pose_functions_share, step_speeds

SHARE = "heatmaps_parts_affines_share_of_step"
QUICK_SECONDS, FULL_SECONDS = 1.0, 20.0  # time to repeat one comparison
QUICK_PHOTOS, FULL_PHOTOS = 8, 100


def run_bench(
    device: str = "cpu", quick: bool = False, data: Path | None = None, growth: bool = False
) -> dict[str, Any]:
    """Run the benchmarks.

    Args:
        device: Device to run on.
        quick: Few repetitions, and one picture of each kind: under a minute on two cores.
        data: Data set for the loader; by default the bundled people, repeated.
        growth: Also measure how cost grows with batch, rows, window and parts.

    Returns:
        `ratios` by name, with the share of heat maps, masks and transforms in a training step;
        `times`, the measurements behind them, in seconds and bytes; `loader`; `steps`, training
        steps; `inference`, pictures by size, batch, precision and threads; `moved`, pictures of a
        photo that is kept, by PyTorch and by exports; `disk`, from files to files; `growth`; on a
        GPU `peaks`, and ratios of the fused kernels to PyTorch; `machine`.
    """
    seconds = QUICK_SECONDS if quick else FULL_SECONDS
    each = seconds if quick else seconds / 10  # where there are many cases
    least = 1 if quick else 3
    torch.manual_seed(0)
    measured = {
        comparison.name: measure(comparison, device, seconds, least)
        for comparison in comparisons(device, quick)
    }
    share = pose_functions_share(device, seconds, least=3)
    cuda = torch.device(device).type == "cuda"
    sizes = (64,) if cuda else (6,) if quick else (2, 6, 16)
    precisions = ("auto",) if quick else ("float32", "auto")
    report = {
        "ratios": {name: found.ratio for name, found in measured.items()} | {SHARE: share.share},
        "times": {name: asdict(found) for name, found in measured.items()} | {SHARE: asdict(share)},
        "loader": asdict(loader_speed(device, seconds, data, least)),
        "steps": [asdict(one) for one in step_speeds(device, each, sizes, precisions, least)],
        "inference": [
            asdict(one)
            for one in inference_times(inference_cases(device, quick), device, each, least=3)
        ],
        "moved": [
            asdict(one)
            for one in moved_times(moved_cases(device, quick), device, 2 * seconds, least)
        ],
        "disk": asdict(disk_speed(device, QUICK_PHOTOS if quick else FULL_PHOTOS)),
    }
    if growth:
        report["growth"] = [asdict(one) for one in measure_growth(device, each, least)]
    if cuda:
        report["peaks"] = asdict(measure_peaks(device, each))
    return report | {"machine": describe_machine(device)}
