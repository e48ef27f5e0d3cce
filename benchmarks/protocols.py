"""Measure how far one folder's scores move with the protocol, and with each of its settings.

The table of docs/protocols.md:

    python benchmarks/protocols.py --images ../shared/deepfashion-pairs/img \
        --annotations ../shared/deepfashion-pairs/annotation.csv \
        --pairs ../shared/deepfashion-pairs/pairs.csv \
        --generated ../shared/deepfashion-pairs/reference-output --json protocols.json
"""

import argparse
import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.evaluation.generated_folder import GeneratedFolder
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.protocol import PROTOCOLS, Protocol
from deformgan.pose import Pose
from deformgan.provenance import provenance

OURS = PROTOCOLS["deformgan-1"]
BATCH = 4
METRICS = ("ssim", "mask_ssim", "l1", "psnr")


def floored(images: Tensor) -> Tensor:
    """Convert photos to [-1, 1] and back without rounding, as the authors' test script does."""
    return (255 * (((images.double() / 255 - 0.5) * 2 + 1) / 2)).to(torch.uint8)


def same(images: Tensor) -> Tensor:
    """Leave photos alone."""
    return images


Change = Callable[[Tensor], Tensor]

WAYS = (
    ("nearest", True),
    ("bilinear", True),
    ("bicubic", True),
    ("bilinear", False),
    ("bicubic", False),
)


def settings() -> dict[str, tuple[Protocol, Change]]:
    """List what is measured: the protocols, then the default with one setting changed."""
    rows: dict[str, tuple[Protocol, Change]] = {
        f"`{name}`": (protocol, same) for name, protocol in PROTOCOLS.items()
    }
    single = {
        "13 taps": {"ssim_taps": 13},
        "data range 255": {"ssim_range": "255"},
        "uniform window of 7, sample covariance (scikit-image's defaults)": {
            "ssim_window": "uniform",
            "ssim_taps": 7,
            "ssim_sample_covariance": True,
        },
        "uniform window of 51": {"ssim_window": "uniform", "ssim_taps": 51},
        "JPEG 95": {"jpeg": 95},
        "JPEG 75": {"jpeg": 75},
        "JPEG 75, photos too": {"jpeg": 75, "jpeg_targets": True},
        "sides cut": {"cut": 40},
        "sides cut, then padded with white": {"cut": 40, "pad": 40},
    }
    rows |= {name: (replace(OURS, **change), same) for name, change in single.items()}
    rows["photos rounded down (pose-gan's script)"] = (OURS, floored)
    for size in ((128, 88), (128, 64)):
        for kernel, antialias in WAYS:
            resized = replace(OURS, cut=40, size=size, kernel=kernel, antialias=antialias)
            way = kernel if antialias else f"{kernel}, no antialias"
            rows[f"sides cut, {size[0]}x{size[1]}, {way}"] = (resized, same)
    return rows


@dataclass(frozen=True)
class Batch:
    """Some pairs as they were stored."""

    generated: Tensor
    target: Tensor
    pose: Pose
    were_jpeg: Tensor


def read(photos: PairPhotos, folder: GeneratedFolder) -> list[Batch]:
    """Read all pairs, which must be there."""
    batches = []
    for first in range(0, len(photos), BATCH):
        rows = list(range(first, min(first + BATCH, len(photos))))
        found = folder.pictures(photos, rows)
        if len(found.by_row) < len(rows):
            raise InputError(" ".join(found.problems))
        batches.append(
            Batch(
                torch.stack([found.by_row[row] for row in rows]),
                photos.targets(rows),
                photos.target_poses(rows),
                torch.tensor([row in found.were_jpeg for row in rows]),
            )
        )
    return batches


def measure(
    batches: list[Batch], protocol: Protocol, change: Change, masks: dict[Hashable, Tensor]
) -> dict[str, float]:
    """Average the scores of all pairs; `masks` keeps those that other settings share."""
    parts = []
    for number, batch in enumerate(batches):
        generated, target, pose = protocol.prepare(
            batch.generated, change(batch.target), batch.pose, batch.were_jpeg
        )
        frame = (number, protocol.cut, protocol.size, protocol.pad)
        if frame not in masks:
            masks[frame] = person_mask(pose, (target.shape[2], target.shape[3]))
        parts.append(protocol.scores(generated, target, masks[frame]))
    return {name: torch.cat([part[name] for part in parts]).mean().item() for name in METRICS}


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("images", "annotations", "pairs", "generated", "json"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    photos = PairPhotos.open(given.images, given.annotations, given.pairs)
    folder = GeneratedFolder.open(given.generated, photos)
    batches, masks, table = read(photos, folder), {}, {}
    print(f"| {' | '.join(['setting', *METRICS])} |\n|{' --- |' * (len(METRICS) + 1)}")
    for name, (protocol, change) in settings().items():
        table[name] = measure(batches, protocol, change, masks)
        cells = [f"{table[name][metric]:.4f}" for metric in METRICS]
        print(f"| {' | '.join([name, *cells])} |", flush=True)
    report = {"pairs": len(photos), "scores": table, "packages": OURS.describe()["packages"]}
    given.json.write_text(json.dumps(report | provenance(), indent=1) + "\n")


if __name__ == "__main__":
    main()
