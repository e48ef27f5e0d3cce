"""Scores weights on people never trained on, beside the plainest rival: the source photo itself.

    python benchmarks/market_test_identities.py --data ../shared/market1501 --weights pedestrian \
        --judges ../shared/weights --json market.json --sheet market.png

The pairs are the first N of the field's sampling (seed 0) among all ordered pairs of the test
identities that `identity-split.json` names; `market_test_pairs.csv` lists the first 500. Published
Market-1501 numbers are on other images.

The judges are networks of other people: MoveNet looks for the asked pose, OSNet for the person,
FastestDet for anybody. They score; they never train, select or give gradients.
"""

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import to_bytes, to_float
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import pair_rows, read_pairs, sample_test_pairs
from deformgan.errors import InputError
from deformgan.evaluation.bootstrap import bootstrap_interval, weighted_mean
from deformgan.evaluation.drawing import draw_pose
from deformgan.evaluation.score import score
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pose import Pose

PAIR_LIST = Path(__file__).with_name("market_test_pairs.csv")
MOVENET = "movenet_single_pose_lightning_ptq.tflite"
OSNET = "osnet_x0_25_msmt17.onnx"
FASTESTDET = "FastestDet.onnx"
BATCH = 50
SHEET_PEOPLE, SHEET_COLUMNS, GAP, ZOOM = 10, 2, 8, 2

Images = UInt8[Tensor, "pairs 3 height width"]
Scores = dict[str, Tensor]
# Gives a number per picture: of pictures, their targets and the asked poses.
Judge = Callable[[Tensor, Tensor, Pose], Tensor]


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Attributes:
        value: The mean over pairs.
        pairs: Its 95 % interval, for other draws of pairs of these people.
        identities: Its 95 % interval, for other draws of people.
    """

    value: float
    pairs: tuple[float, float]
    identities: tuple[float, float]


def main(
    data: Path,
    weights: tuple[str, ...] = (),
    judges: Path | None = None,
    pairs: int = 500,
    json: Path | None = None,
    sheet: Path | None = None,
    device: str = "cpu",
) -> None:
    """Prints how good pictures of Market-1501's held-out people are, with 95 % intervals.

    Args:
        data: Folder in Market-1501's layout, with `identity-split.json`.
        weights: Bundled names or files of generators, compared with the first of them; without any
            only the source photo is scored.
        judges: Folder with MoveNet, OSNet and FastestDet as `../shared/weights` has them; with it
            PCKh, identity and detection score are measured too.
        pairs: How many pairs to score.
        json: Where to write the numbers.
        sheet: Where to draw ten people: source, its pose, the asked pose, the target, the outputs.
        device: Where the generator runs.
    """
    people = Market1501(data, split="test")
    chosen = choose_pairs(people, pairs)
    named = {"generated": weights[0]} if len(weights) == 1 else {name: name for name in weights}
    loaded = load_judges(judges) if judges is not None else {}
    outputs = {"copy": people.images[chosen[:, 0]]}
    metadata = {}
    for system, path in named.items():
        generator, metadata[system] = load_generator(path, device)
        outputs[system] = generate(generator, people, chosen, device)
    scores = {
        system: score_pairs(images, people, chosen) | judge_pairs(images, people, chosen, loaded)
        for system, images in outputs.items()
    }
    if loaded:  # what is possible; a photo's other numbers against itself say nothing
        photos = people.images[chosen[:, 1]]
        possible = {name: judge for name, judge in loaded.items() if name != "identity"}
        scores["target"] = judge_pairs(photos, people, chosen, possible)
    shown = [people.identities[target] for target in chosen[:, 1].tolist()]
    asked = people.poses[chosen[:, 1]].visible.sum(dim=1)
    systems = {system: summarize(numbers, shown, asked) for system, numbers in scores.items()}
    differences = {
        f"{system} minus {other}": summarize(subtract(scores[system], scores[other]), shown, asked)
        for other in ["copy", *list(named)[:1]]
        for system in named
        if system != other
    }
    print(table(systems, f"{len(chosen)} pairs"))
    if differences:
        print("\n" + table(differences, "pair by pair"))
    report = {
        "protocol": {
            "name": "deformgan-1",
            "images": "test identities of identity-split.json",
            "pairs": f"first of sample_test_pairs, seed 0: {PAIR_LIST.name}",
        },
        "n": len(chosen),
        "identities": len(set(shown)),
        "weights": named,
        "weights_metadata": metadata,
        "judges": sorted(loaded),
        "systems": {system: described(estimates) for system, estimates in systems.items()},
        "differences": {name: described(estimates) for name, estimates in differences.items()},
        **provenance(),
    }
    if json is not None:
        json.write_text(dumps(report, indent=2) + "\n", encoding="utf-8")
    if sheet is not None:
        contact_sheet(people, chosen, [outputs[system] for system in named]).save(sheet)
        print(f"wrote {sheet}")


def choose_pairs(people: Market1501, count: int) -> Int64[Tensor, "pairs 2"]:
    """Samples the pairs, which must be those of the committed list as far as that goes."""
    chosen = sample_test_pairs(people.pairs, count)
    listed = pair_rows(people.names, read_pairs(PAIR_LIST)[:count])
    if not torch.equal(listed, chosen[: len(listed)]):
        raise InputError(f"The data set's test pairs are not those that {PAIR_LIST.name} lists.")
    return chosen


def load_judges(folder: Path) -> dict[str, Judge]:
    """Loads the networks of other people, by the name of what they measure."""
    # Here, because machines that train have neither them nor the libraries that run them.
    from deformgan.detectors import load_detector
    from deformgan.detectors.fastestdet import FastestDet
    from deformgan.evaluation.detection_score import detection_score
    from deformgan.evaluation.identity import Extractor, identity
    from deformgan.evaluation.pckh import pckh

    movenet = load_detector(f"movenet:{folder / MOVENET}")
    osnet = Extractor(folder / OSNET)
    fastestdet = FastestDet(folder / FASTESTDET)
    return {
        "pckh": lambda images, _, asked: pckh(images, asked, movenet),
        "identity": lambda images, targets, _: identity(images, targets, osnet),
        f"detection_score_{Path(FASTESTDET).stem}": lambda images, *_: detection_score(
            images, fastestdet
        ),
    }


@torch.inference_mode()
def generate(
    generator: Generator, people: Market1501, pairs: Int64[Tensor, "pairs 2"], device: str
) -> Images:
    """Puts every source person into the target's pose; pictures are rounded to 8 bit."""
    pictures = []
    for part in pairs.split(BATCH):
        source, target = part.unbind(dim=1)
        view = View(to_float(people.images[source]).to(device), people.poses[source].to(device))
        pictures.append(to_bytes(generator(view, people.poses[target].to(device)).cpu()))
    return torch.cat(pictures)


def score_pairs(images: Images, people: Market1501, pairs: Int64[Tensor, "pairs 2"]) -> Scores:
    """Scores one picture per pair against the target photo."""
    parts = []
    for part, pictures in zip(pairs.split(BATCH), images.split(BATCH), strict=True):
        target = part[:, 1]
        parts.append(score(pictures, people.images[target], people.poses[target]))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def judge_pairs(
    images: Images,
    people: Market1501,
    pairs: Int64[Tensor, "pairs 2"],
    judges: dict[str, Judge],
) -> Scores:
    """Lets the judges look at one picture per pair."""
    targets = pairs[:, 1]
    photos, asked = people.images[targets], people.poses[targets]
    return {name: judge(images, photos, asked) for name, judge in judges.items()}


def subtract(first: Scores, second: Scores) -> Scores:
    """Gives the difference of every metric, pair by pair."""
    return {name: first[name].double() - second[name].double() for name in first}


def summarize(
    numbers: Scores, identities: Sequence[str], asked: Int64[Tensor, "pairs"]
) -> dict[str, Estimate]:
    """Gives mean and 95 % intervals of every metric.

    Args:
        numbers: Of one system, or differences of two.
        identities: Whom each pair shows.
        asked: How many joints each pair asks for; PCKh is the share of all of them.
    """
    estimates = {}
    for name, values in numbers.items():
        weights = asked if name == "pckh" else None
        estimates[name] = Estimate(
            weighted_mean(values, weights),
            bootstrap_interval(values, weights=weights),
            bootstrap_interval(values, weights=weights, clusters=identities),
        )
    return estimates


def described(estimates: dict[str, Estimate]) -> dict[str, dict[str, Any]]:
    """Gives estimates the form that reports have."""
    return {
        name: {
            "value": estimate.value,
            "ci95": list(estimate.pairs),
            "ci95_by_identity": list(estimate.identities),
        }
        for name, estimate in estimates.items()
    }


def table(systems: dict[str, dict[str, Estimate]], title: str) -> str:
    """Writes the numbers, with the intervals over pairs, as a Markdown table."""
    metrics = list(dict.fromkeys(name for estimates in systems.values() for name in estimates))
    lines = [f"| {title} | {' | '.join(metrics)} |", f"| --- |{' --- |' * len(metrics)}"]
    for system, estimates in systems.items():
        cells = [cell(estimates[name]) if name in estimates else "" for name in metrics]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(estimate: Estimate) -> str:
    """Writes one number and its interval."""
    low, high = estimate.pairs
    return f"{estimate.value:.3f} [{low:.3f}, {high:.3f}]"


def contact_sheet(
    people: Market1501,
    pairs: Int64[Tensor, "pairs 2"],
    outputs: Sequence[Images],
) -> Image.Image:
    """Draws the first pair of ten people: source, its pose, asked pose, target, outputs."""
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
        *[pictures[rows] for pictures in outputs],
    ]
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
