"""Score weights on people never trained on, beside the plainest baseline: the source photo itself.

    python benchmarks/test_identities.py --data ../shared/market1501 --weights pedestrian \
        --judges ../shared/weights --json market.json --sheet market.png

The pairs are the first N of the field's sampling (seed 0) among all ordered pairs of the test
identities that `identity-split.json` names; `market_test_pairs.csv` and `cuhk03_test_pairs.csv`
list the first 500. Published numbers of these data sets are on other images.

Of rendered people (`data synthesize`) all count as held out: render them from a seed of their own.

With `--scene source` generators with layers are scored once more with each person in front of their
source photo's own scene, as `generate --background source` does it.

A generator without layers has one size: photos of another are stretched to it, and what it paints
is enlarged.

The judges are third-party networks: MoveNet measures the pose, OSNet the identity, FastestDet
whether a person is detected. They are used for evaluation only, not for training or selection.
"""

import sys
from json import dumps
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets import open_dataset, recognize
from deformgan.datasets.pairs import pair_rows, read_pairs, sample_test_pairs
from deformgan.datasets.photo_set import PhotoSet
from deformgan.draw.pictures import to_pictures
from deformgan.draw.poses import pose_pictures
from deformgan.draw.sheets import contact_sheet
from deformgan.errors import InputError
from deformgan.evaluation.estimate import Estimate, estimate_means, subtract
from deformgan.evaluation.judges import load_judges
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.pictures import generate_pictures, judge_pictures, score_pictures
from deformgan.metrics.sharpness import sharpness
from deformgan.models.generator import Generator
from deformgan.models.layers import resize, resize_pose
from deformgan.pair import View
from deformgan.pixels import to_bytes, to_float
from deformgan.provenance import provenance

HERE = Path(__file__).parent
PAIR_LISTS = {"cuhk03": HERE / "cuhk03_test_pairs.csv"}
PAIR_LIST = HERE / "market_test_pairs.csv"  # of every other data set
ZOOM = 2
SHEET_PEOPLE = 10
_BATCH = 50

Images = UInt8[Tensor, "pairs 3 height width"]


def main(
    data: Path,
    weights: tuple[str, ...] = (),
    judges: Path | None = None,
    pairs: int = 500,
    distances: bool = False,
    scene: Literal["paint", "source"] = "paint",
    json: Path | None = None,
    sheet: Path | None = None,
    device: str = "cpu",
) -> None:
    """Print how good pictures of a data set's held-out people are, with 95 % intervals.

    Args:
        data: Market-1501, CUHK03 or another set that says who is to be tested on, or rendered
            people.
        weights: Bundled names or files of generators, compared with the first of them; without any
            only the source photo is scored.
        judges: Folder with MoveNet, OSNet and FastestDet as `../shared/weights` has them; with it
            PCKh, identity and detection score are measured too.
        pairs: How many pairs to score.
        distances: Whether to measure distances by EfficientNet-Lite0 too (extra `eval`).
        scene: "source" also scores pictures with the source photo's own scene.
        json: Where to write the numbers.
        sheet: Where to draw ten people: source, its pose, the asked pose, the target, the outputs.
        device: Where the generator runs.
    """
    kind = recognize(data)
    rendered = kind == "synthetic"
    people = open_dataset(data, split="all" if rendered else "test")
    pair_list = None if rendered else PAIR_LISTS.get(kind, PAIR_LIST)
    chosen = choose_pairs(people, pairs, pair_list)
    named = {"generated": weights[0]} if len(weights) == 1 else {name: name for name in weights}
    loaded = load_judges(judges) if judges is not None else {}
    outputs = {"copy": people.images[chosen[:, 0]]}
    metadata = {}
    for system, path in named.items():
        generator, metadata[system] = load_generator(path, device)
        size = metadata[system].get("size")
        if generator.config.layers is None and size is not None and tuple(size) != people.size:
            outputs[system] = paint_enlarged(generator, people, chosen, tuple(size), device)
        else:
            outputs[system] = generate_pictures(generator, people, chosen)
            if scene == "source" and generator.config.layers is not None:
                outputs[f"{system}, source scene"] = generate_pictures(
                    generator, people, chosen, in_source_scene=True
                )
    scores = {
        system: score_pictures(images, people, chosen)
        | judge_pictures(images, people, chosen, loaded)
        for system, images in outputs.items()
    }
    whole = {
        system: {"sharpness": share_of_sharpness(p, people, chosen)}
        for system, p in outputs.items()
    }
    if distances:
        from deformgan.backbones.efficientnet_lite0 import load_efficientnet_lite0
        from deformgan.metrics.efficientnet_lite0 import compare_pictures

        network, real = load_efficientnet_lite0(), people.images[chosen[:, 1]]
        for system, pictures in outputs.items():
            whole[system] |= compare_pictures(pictures, real, network)
    if loaded:  # what is possible; a photo's other numbers against itself say nothing
        photos = people.images[chosen[:, 1]]
        possible = {name: judge for name, judge in loaded.items() if name != "identity_osnet"}
        scores["target"] = judge_pictures(photos, people, chosen, possible)
    shown = [people.identities[target] for target in chosen[:, 1].tolist()]
    asked = people.poses[chosen[:, 1]].visible.sum(dim=1)
    systems = {system: estimate_means(numbers, shown, asked) for system, numbers in scores.items()}
    differences = {
        f"{system} minus {other}": estimate_means(
            subtract(scores[system], scores[other]), shown, asked
        )
        for other in ["copy", *list(named)[:1]]
        for system in outputs
        if system not in ("copy", other)
    }
    print(table(systems, f"{len(chosen)} pairs"))
    for system, numbers in whole.items():
        print(system, {name: round(value, 4) for name, value in numbers.items()})
    if differences:
        print("\n" + table(differences, "pair by pair"))
    report = {
        "protocol": {
            "name": "deformgan-1",
            "images": "test identities of identity-split.json" if pair_list else "all",
            "pairs": "first of sample_test_pairs, seed 0"
            + (f": {pair_list.name}" if pair_list else ""),
        },
        "n": len(chosen),
        "identities": len(set(shown)),
        "weights": named,
        "weights_metadata": metadata,
        "judges": sorted(loaded),
        "systems": {system: described(estimates) for system, estimates in systems.items()},
        "of_all_pictures": whole,
        "differences": {name: described(estimates) for name, estimates in differences.items()},
        **provenance(),
    }
    if json is not None:
        json.write_text(dumps(report, indent=2) + "\n", encoding="utf-8")
    if sheet is not None:
        shown_outputs = {system: outputs[system] for system in named}
        draw_sheet(people, chosen, shown_outputs).save(sheet)
        print(f"wrote {sheet}")


def choose_pairs(people: PhotoSet, count: int, pair_list: Path | None) -> Int64[Tensor, "pairs 2"]:
    """Sample the pairs, which must be those of the committed list, if any, as far as that goes."""
    chosen = sample_test_pairs(people.pairs, count)
    if pair_list is None:
        return chosen
    listed = pair_rows(people.names, read_pairs(pair_list)[:count])
    if not torch.equal(listed, chosen[: len(listed)]):
        raise InputError(f"The data set's test pairs are not those that {pair_list.name} lists.")
    return chosen


@torch.inference_mode()
def paint_enlarged(
    generator: Generator,
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    size: tuple[int, int],
    device: str,
) -> Images:
    """Paint at the generator's own size, and enlarge what it paints to the photos'."""
    painted = []
    for part in pairs.split(_BATCH):
        source, target = part.unbind(dim=1)
        poses = [resize_pose(people.poses[rows], people.size, size) for rows in (source, target)]
        small = resize(to_float(people.images[source]), size)
        picture = generator(View(small.to(device), poses[0].to(device)), poses[1].to(device))
        painted.append(to_bytes(resize(picture.cpu(), people.size)))
    return torch.cat(painted)


def share_of_sharpness(
    pictures: Images, people: PhotoSet, pairs: Int64[Tensor, "pairs 2"]
) -> float:
    """Return the pictures' mean sharpness inside the person, as a share of the real photos'."""
    totals = [0.0, 0.0]
    for part, painted in zip(pairs.split(_BATCH), pictures.split(_BATCH), strict=True):
        rows = part[:, 1]
        mask = person_mask(people.poses[rows], people.size, people.skeleton) > 0
        for place, images in enumerate((painted, people.images[rows])):
            totals[place] += sharpness(images, mask).nansum().item()
    return totals[0] / totals[1]


def described(estimates: dict[str, Estimate]) -> dict[str, dict[str, Any]]:
    """Return estimates the form that reports have."""
    return {
        name: {
            "value": estimate.value,
            "ci95": list(estimate.pairs),
            "ci95_by_identity": list(estimate.identities),
        }
        for name, estimate in estimates.items()
    }


def table(systems: dict[str, dict[str, Estimate]], title: str) -> str:
    """Write the numbers, with the intervals over pairs, as a Markdown table."""
    metrics = list(dict.fromkeys(name for estimates in systems.values() for name in estimates))
    lines = [f"| {title} | {' | '.join(metrics)} |", f"| --- |{' --- |' * len(metrics)}"]
    for system, estimates in systems.items():
        cells = [cell(estimates[name]) if name in estimates else "" for name in metrics]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(estimate: Estimate) -> str:
    """Write one number and its interval."""
    low, high = estimate.pairs
    return f"{estimate.value:.3f} [{low:.3f}, {high:.3f}]"


def draw_sheet(
    people: PhotoSet, pairs: Int64[Tensor, "pairs 2"], outputs: dict[str, Images]
) -> Image.Image:
    """Draw the first pair of ten people: source, its pose, asked pose, target, outputs."""
    first: dict[str, int] = {}
    for row, target in enumerate(pairs[:, 1].tolist()):
        first.setdefault(people.identities[target], row)
    rows = list(first.values())[:SHEET_PEOPLE]
    source, target = pairs[rows].unbind(dim=1)
    columns = {
        "source": to_pictures(people.images[source], ZOOM),
        "its pose": pose_pictures(people.poses[source], people.size, ZOOM),
        "asked": pose_pictures(people.poses[target], people.size, ZOOM),
        "target": to_pictures(people.images[target], ZOOM),
        **{
            Path(system).stem: to_pictures(pictures[rows], ZOOM)
            for system, pictures in outputs.items()
        },
    }
    return contact_sheet(list(columns), list(zip(*columns.values(), strict=True)), strips=2)


if __name__ == "__main__":
    import tyro  # not on the GPU machine, whose script calls `main`

    try:
        tyro.cli(main)
    except InputError as error:
        print(f"test_identities: {error}", file=sys.stderr)
        sys.exit(2)
