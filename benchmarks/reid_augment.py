"""Measure how fast `deformgan reid augment` is, and where the time goes.

    python benchmarks/reid_augment.py --data ../shared/market1501 --json reid_augment.json

One process, one thread: the command's processes share nothing, so two of them on two free cores do
twice as much. Numbers for other sizes and machines are projections and labelled as such.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from deformgan.reid.augment import augment
from deformgan.reid.augment_report import AugmentReport

# Full Market-1501: training photos with a usable pose, and alpha = 10, which is the total size over
# the original one.
MARKET_SOURCES, PER_IMAGE = 12_936 - 419, 9
CORES = 2

# Goal of the design for one H200 at 128x64, not a measurement.
H200_IMAGES_PER_SECOND = 20_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("--data", type=Path, required=True)
    flags.add_argument("--weights", default="pedestrian")
    flags.add_argument(
        "--images",
        type=int,
        default=500,
        help="rows of the table; those to train on are painted",
    )
    flags.add_argument("--per-image", type=int, default=1, help="photos of each")
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--json", type=Path)
    given = flags.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "some.csv"
        first_lines(given.data, table, given.images)
        report = augment(
            given.data,
            Path(folder) / "out",
            weights=given.weights,
            annotations=table,
            device=given.device,
            per_image=given.per_image,
        )
    assert report is not None
    found = {"measured": asdict(report), "projected": project(report)}
    print(summary(report))
    print(f"{time.process_time():.2f} s of CPU time, with reading the weights and the data set")
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


def first_lines(data: Path, table: Path, count: int) -> None:
    """Write a table of some of a data set's poses, evenly spread over it."""
    head, *lines = (data / "market-annotation-train.csv").read_text().splitlines()
    step = max(1, len(lines) // count)
    table.write_text("\n".join([head, *lines[::step]]) + "\n")


def project(report: AugmentReport) -> dict[str, float]:
    """Project the minutes of alpha = 10 on full Market-1501."""
    written = MARKET_SOURCES * PER_IMAGE
    drawn = written / max(report.acceptance, 1e-9)
    speed = report.images_per_second
    assert speed is not None  # the photos were made just now
    return {
        "images": written,
        f"minutes on {CORES} cores like this one": written / speed / CORES / 60,
        "minutes on one H200, the generator alone, at the design's goal": (
            drawn / H200_IMAGES_PER_SECOND / 60
        ),
    }


def summary(report: AugmentReport) -> str:
    """Return the lines to print."""
    counts, total = report.counts, sum(report.seconds.values())
    lines = [
        f"{counts['written']} of {counts['asked']} photos written, {counts['drawn']} drawn, "
        f"{report.acceptance:.1%} accepted, too low in {report.rejected_by}",
        f"{report.images_per_second:.1f} written photos/s of one process",
        *(
            f"{part:10} {seconds:8.2f} s {seconds / total:6.1%}"
            f" {1000 * seconds / counts['drawn']:7.2f} ms per drawn photo"
            for part, seconds in sorted(report.seconds.items(), key=lambda item: -item[1])
        ),
        *(f"projected: {what}: {value:.2f}" for what, value in project(report).items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
