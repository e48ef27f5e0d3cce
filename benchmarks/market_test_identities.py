"""Scores weights on people never trained on, beside the plainest rival: the source photo itself.

    python benchmarks/market_test_identities.py --data ../shared/market1501 --weights pedestrian \
        --json market.json --sheet market.png

The pairs are the first N of the field's sampling (seed 0) among all ordered pairs of the test
identities that `identity-split.json` names. Published Market-1501 numbers are on other images.
"""

import datetime
import os
import platform
import subprocess
import sys
from json import dumps
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import to_bytes, to_float
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import sample_test_pairs
from deformgan.errors import InputError
from deformgan.evaluation.bootstrap import bootstrap_interval, paired_difference
from deformgan.evaluation.drawing import draw_pose
from deformgan.evaluation.score import score
from deformgan.models.generator import Generator
from deformgan.pair import View

BATCH = 50
SHEET_PEOPLE, SHEET_COLUMNS, GAP, ZOOM = 10, 2, 8, 2

Scores = dict[str, Tensor]
Estimate = tuple[float, float, float]  # mean, low and high end of its 95 % interval


def main(
    data: Path,
    weights: str | None = None,
    pairs: int = 500,
    json: Path | None = None,
    sheet: Path | None = None,
    device: str = "cpu",
) -> None:
    """Prints SSIM, mask-SSIM, L1 and PSNR on Market-1501's held-out people, with 95 % intervals.

    Args:
        data: Folder in Market-1501's layout, with `identity-split.json`.
        weights: Bundled name or file of a generator; without it only the source photo is scored.
        pairs: How many pairs to score.
        json: Where to write the numbers.
        sheet: Where to draw ten people: source, its pose, the asked pose, the target, the output.
        device: Where the generator runs.
    """
    people = Market1501(data, split="test")
    chosen = sample_test_pairs(people.pairs, pairs)
    outputs = {"copy": people.images[chosen[:, 0]]}
    metadata = {}
    if weights is not None:
        generator, metadata = load_generator(weights, device)
        outputs["generated"] = generate(generator, people, chosen, device)
    scores = {system: score_pairs(images, people, chosen) for system, images in outputs.items()}
    systems = {system: summarize(numbers) for system, numbers in scores.items()}
    print(table(systems, len(chosen)))
    report = {
        "protocol": {
            "name": "deformgan-1",
            "images": "test identities of identity-split.json",
            "pairs": "first of sample_test_pairs, seed 0",
        },
        "n": len(chosen),
        "identities": len({people.identities[target] for target in chosen[:, 1].tolist()}),
        "weights": weights,
        "weights_metadata": metadata,
        "systems": {system: described(estimates) for system, estimates in systems.items()},
        **provenance(),
    }
    if weights is not None:
        differences = compare(scores["generated"], scores["copy"])
        report["generated_minus_copy"] = described(differences)
    if json is not None:
        json.write_text(dumps(report, indent=2) + "\n", encoding="utf-8")
    if sheet is not None:
        contact_sheet(people, chosen, outputs.get("generated")).save(sheet)
        print(f"wrote {sheet}")


@torch.inference_mode()
def generate(
    generator: Generator, people: Market1501, pairs: Int64[Tensor, "pairs 2"], device: str
) -> UInt8[Tensor, "pairs 3 height width"]:
    """Puts every source person into the target's pose; pictures are rounded to 8 bit."""
    pictures = []
    for part in pairs.split(BATCH):
        source, target = part.unbind(dim=1)
        view = View(to_float(people.images[source]).to(device), people.poses[source].to(device))
        pictures.append(to_bytes(generator(view, people.poses[target].to(device)).cpu()))
    return torch.cat(pictures)


def score_pairs(
    images: UInt8[Tensor, "pairs 3 height width"],
    people: Market1501,
    pairs: Int64[Tensor, "pairs 2"],
) -> Scores:
    """Scores one picture per pair against the target photo."""
    parts = []
    for part, pictures in zip(pairs.split(BATCH), images.split(BATCH), strict=True):
        target = part[:, 1]
        parts.append(score(pictures, people.images[target], people.poses[target]))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def summarize(numbers: Scores) -> dict[str, Estimate]:
    """Gives mean and 95 % interval of every metric."""
    return {
        name: (values.mean().item(), *bootstrap_interval(values))
        for name, values in numbers.items()
    }


def compare(first: Scores, second: Scores) -> dict[str, Estimate]:
    """Gives the mean difference, pair by pair, and its 95 % interval for every metric."""
    return {name: paired_difference(first[name], second[name]) for name in first}


def described(estimates: dict[str, Estimate]) -> dict[str, dict[str, float | list[float]]]:
    """Gives estimates the form that reports have."""
    return {
        name: {"value": value, "ci95": [low, high]}
        for name, (value, low, high) in estimates.items()
    }


def table(systems: dict[str, dict[str, Estimate]], count: int) -> str:
    """Writes the numbers as a Markdown table."""
    lines = []
    for system, estimates in systems.items():
        if not lines:
            lines.append(f"| {count} pairs | {' | '.join(estimates)} |")
            lines.append(f"| --- |{' --- |' * len(estimates)}")
        cells = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in estimates.values()]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def contact_sheet(
    people: Market1501,
    pairs: Int64[Tensor, "pairs 2"],
    generated: UInt8[Tensor, "pairs 3 height width"] | None,
) -> Image.Image:
    """Draws the first pair of ten people: source, its pose, asked pose, target, output."""
    first = {}
    for row, target in enumerate(pairs[:, 1].tolist()):
        first.setdefault(people.identities[target], row)
    rows = list(first.values())[:SHEET_PEOPLE]
    source, target = pairs[rows].unbind(dim=1)
    panels = [
        people.images[source],
        draw_pose(people.poses[source], people.size)[0],
        draw_pose(people.poses[target], people.size)[0],
        people.images[target],
    ]
    if generated is not None:
        panels.append(generated[rows])
    strips = torch.cat(panels, dim=3)  # (people, 3, H, panels * W)
    strips = F.pad(strips, (GAP, GAP, GAP, GAP), value=255)
    blank = torch.full_like(strips[:1], 255).repeat(-len(rows) % SHEET_COLUMNS, 1, 1, 1)
    grid = torch.cat([strips, blank]).unflatten(0, (-1, SHEET_COLUMNS))
    picture = grid.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (rows * H, columns * W, 3)
    picture = picture.repeat_interleave(ZOOM, 0).repeat_interleave(ZOOM, 1)
    return Image.fromarray(picture.numpy())


def provenance() -> dict[str, str]:
    """Says when, where and by which code the numbers were made."""
    commit = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit or "none",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}",
    }


if __name__ == "__main__":
    import tyro  # not on the GPU machine, whose script calls `main`

    try:
        tyro.cli(main)
    except InputError as error:
        print(f"market_test_identities: {error}", file=sys.stderr)
        sys.exit(2)
