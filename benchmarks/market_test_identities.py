"""Scores weights on people never trained on, beside the plainest rival: the source photo itself.

    python benchmarks/market_test_identities.py --data ../shared/market1501 --weights pedestrian \
        --judges ../shared/weights --json market.json --sheet market.png

The pairs are the first N of the field's sampling (seed 0) among all ordered pairs of the test
identities that `identity-split.json` names; `market_test_pairs.csv` lists the first 500. Published
Market-1501 numbers are on other images.

The judges are networks of other people: MoveNet looks for the asked pose, OSNet for the person,
FastestDet for anybody. They score; they never train, select or give gradients.
"""

import sys
from json import dumps
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import pair_rows, read_pairs, sample_test_pairs
from deformgan.errors import InputError
from deformgan.evaluation.contact_sheet import contact_sheet
from deformgan.evaluation.drawing import draw_pose
from deformgan.evaluation.estimate import Estimate, estimate_means, subtract
from deformgan.evaluation.judges import load_judges
from deformgan.evaluation.pictures import generate_pictures, judge_pictures, score_pictures
from deformgan.provenance import provenance

PAIR_LIST = Path(__file__).with_name("market_test_pairs.csv")
SHEET_PEOPLE = 10

Images = UInt8[Tensor, "pairs 3 height width"]


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
        outputs[system] = generate_pictures(generator, people, chosen, device)
    scores = {
        system: score_pictures(images, people, chosen)
        | judge_pictures(images, people, chosen, loaded)
        for system, images in outputs.items()
    }
    if loaded:  # what is possible; a photo's other numbers against itself say nothing
        photos = people.images[chosen[:, 1]]
        possible = {name: judge for name, judge in loaded.items() if name != "identity"}
        scores["target"] = judge_pictures(photos, people, chosen, possible)
    shown = [people.identities[target] for target in chosen[:, 1].tolist()]
    asked = people.poses[chosen[:, 1]].visible.sum(dim=1)
    systems = {system: estimate_means(numbers, shown, asked) for system, numbers in scores.items()}
    differences = {
        f"{system} minus {other}": estimate_means(
            subtract(scores[system], scores[other]), shown, asked
        )
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
        shown_outputs = {system: outputs[system] for system in named}
        draw_sheet(people, chosen, shown_outputs).save(sheet)
        print(f"wrote {sheet}")


def choose_pairs(people: Market1501, count: int) -> Int64[Tensor, "pairs 2"]:
    """Samples the pairs, which must be those of the committed list as far as that goes."""
    chosen = sample_test_pairs(people.pairs, count)
    listed = pair_rows(people.names, read_pairs(PAIR_LIST)[:count])
    if not torch.equal(listed, chosen[: len(listed)]):
        raise InputError(f"The data set's test pairs are not those that {PAIR_LIST.name} lists.")
    return chosen


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


def draw_sheet(
    people: Market1501, pairs: Int64[Tensor, "pairs 2"], outputs: dict[str, Images]
) -> Image.Image:
    """Draws the first pair of ten people: source, its pose, asked pose, target, outputs."""
    first: dict[str, int] = {}
    for row, target in enumerate(pairs[:, 1].tolist()):
        first.setdefault(people.identities[target], row)
    rows = list(first.values())[:SHEET_PEOPLE]
    source, target = pairs[rows].unbind(dim=1)
    columns = {
        "source": people.images[source],
        "its pose": draw_pose(people.poses[source], people.size)[0],
        "asked": draw_pose(people.poses[target], people.size)[0],
        "target": people.images[target],
        **{Path(system).stem: pictures[rows] for system, pictures in outputs.items()},
    }
    return contact_sheet(columns, strips=2)


if __name__ == "__main__":
    import tyro  # not on the GPU machine, whose script calls `main`

    try:
        tyro.cli(main)
    except InputError as error:
        print(f"market_test_identities: {error}", file=sys.stderr)
        sys.exit(2)
