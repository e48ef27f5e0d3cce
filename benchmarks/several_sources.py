"""What more photos of a person are worth: identity and mask-SSIM with one, two and three.

    python benchmarks/several_sources.py --data ../shared/cuhk03 --weights W.safetensors \
        --judges ../shared/weights --json several_sources.json

Every person of the test split gives a target and a few sources, drawn from a seed: the same first
source for all, the same second for two and three, never the target. Differences are taken pair by
pair, their intervals over people. `--figure` shows some.
"""

from pathlib import Path
from typing import Any

import torch
import tyro
from jaxtyping import Int64, UInt8
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import PhotoSet
from deformgan.draw.pictures import to_pictures
from deformgan.draw.sheets import tile
from deformgan.evaluation.identity import Extractor, identity
from deformgan.evaluation.judges import OSNET
from deformgan.evaluation.person_mask import person_mask
from deformgan.files import write_json
from deformgan.metrics.ssim import mask_ssim
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.provenance import provenance
from deformgan.stats.bootstrap import bootstrap_interval
from deformgan.stats.paired import paired_difference

BATCH = 10


def main(
    data: Path,
    weights: str,
    judges: Path,
    json: Path | None = None,
    people: int = 100,
    most: int = 3,
    seed: int = 0,
    figure: Path | None = None,
) -> None:
    """Paints, scores and compares.

    Args:
        data: CUHK03, Market-1501, or any set with identities and a test split.
        weights: With layers.
        judges: The folder with OSNet.
        json: Where to write.
        people: How many people of the split, one target each.
        most: Sources at most.
        seed: What targets and sources are drawn from.
        figure: Where to draw the first eight people: sources, target, and pictures.
    """
    torch.set_num_threads(1)
    photos = open_dataset(data, split="test")
    generator, _ = load_generator(weights)
    drawn = draw(photos, people, most, seed)
    target = drawn[:, 0]
    truth = photos.images[target]
    mask = person_mask(photos.poses[target], photos.size, photos.skeleton)
    osnet = Extractor(judges / OSNET)
    who = [photos.identities[row] for row in target.tolist()]
    report: dict[str, Any] = {"pairs": len(drawn), "weights": weights, "seed": seed, **provenance()}
    pictures, scores = [], []
    for count in range(1, most + 1):
        pictures.append(generate(generator, photos, drawn[:, : 1 + count]))
        scores.append(
            {
                "identity_osnet": identity(pictures[-1], truth, osnet),
                "mask_ssim": mask_ssim(pictures[-1], truth, mask),
            }
        )
        for name, values in scores[-1].items():
            found = {"mean": values.mean().item(), "ci95": bootstrap_interval(values, clusters=who)}
            for before in range(1, count):
                found[f"minus_{before}"] = paired_difference(
                    values, scores[before - 1][name], clusters=who
                )
            report[f"{name}_{count}"] = found
            print(count, name, found, flush=True)
    if json is not None:
        write_json(json, report)
    if figure is not None:
        rows = [
            torch.cat([photos.images[drawn[row].roll(-1)], *(kind[[row]] for kind in pictures)])
            for row in range(min(8, len(drawn)))
        ]
        tile(to_pictures(torch.cat(rows)), columns=2 * most + 1).save(figure)


def draw(photos: PhotoSet, people: int, most: int, seed: int) -> Int64[Tensor, "people photos"]:
    """Draw a target and sources of every person who has enough usable photos."""
    random = torch.Generator().manual_seed(seed)
    by_person: dict[str, list[int]] = {}
    for row in photos.usable.nonzero()[:, 0].tolist():
        by_person.setdefault(photos.identities[row], []).append(row)
    enough = [rows for _, rows in sorted(by_person.items()) if len(rows) > most]
    order = torch.randperm(len(enough), generator=random)[:people].tolist()
    chosen = []
    for person in order:
        places = torch.randperm(len(enough[person]), generator=random)[: most + 1]
        chosen.append(torch.tensor(enough[person])[places])
    return torch.stack(chosen)


def generate(
    generator: Generator, photos: PhotoSet, drawn: Int64[Tensor, "people photos"]
) -> UInt8[Tensor, "people 3 height width"]:
    """Paint every target (first column) from its sources (the others)."""
    painted = []
    for rows in drawn.split(BATCH):
        target, *sources = rows.T
        views = [View(to_float(photos.images[row]), photos.poses[row]) for row in sources]
        painted.append(paint(generator, views, photos.poses[target]))
    return torch.cat(painted)


if __name__ == "__main__":
    tyro.cli(main)
