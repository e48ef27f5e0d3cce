"""What a background photo changes: outside the person, inside, and at the edge.

Rendered people have exact masks and backgrounds, so errors can be measured per region. Weights
with a background are compared, pair by pair, with weights without, and with themselves in a wrong
scene (that of the next pair):

    deformgan data synthesize --people 40 --per-person 4 --seed 78 --out scenes-test
    python benchmarks/background.py --data scenes-test --json background.json \
        --weights pedestrian-background --plain pedestrian

`--figure` writes people of `--photos` (Market-1501's test identities, say) in five of these scenes.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import PhotoSet
from deformgan.draw.pictures import to_pictures
from deformgan.draw.sheets import tile
from deformgan.files import write_json
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pixels import to_bytes, to_float
from deformgan.provenance import provenance
from deformgan.stats.bootstrap import bootstrap_interval
from deformgan.stats.paired import paired_difference

BATCH = 25
EDGE = 3  # pixels on either side of the person's outline in which a halo would be


def main(
    data: Path,
    json: Path,
    weights: str = "pedestrian-background",
    plain: str = "pedestrian",
    pairs: int = 400,
    figure: Path | None = None,
    photos: Path | None = None,
) -> None:
    """Measures, and draws.

    Args:
        data: Rendered people with masks and backgrounds.
        json: Where to write.
        weights: With a background.
        plain: Without.
        pairs: How many pairs, drawn from seed 0.
        figure: Where to write the figure.
        photos: Whose people and scenes the figure shows; by default `data`.
    """
    people = open_dataset(data)
    masks = getattr(people, "masks", None)
    scenes = people.backgrounds
    assert masks is not None, f"{data} has no masks"
    assert scenes is not None, f"{data} has no backgrounds"
    order = torch.randperm(len(people.pairs), generator=torch.Generator().manual_seed(0))
    chosen = people.pairs[order[:pairs]]
    with_scene, without = load_generator(weights, background=True)[0], load_generator(plain)[0]
    target = chosen[:, 1]
    mask = masks[target].float() / 255
    wanted, scene = to_float(people.images[target]), to_float(scenes[target])
    regions = _regions(mask)
    systems = {
        "without": paint(without, people, chosen),
        "with": paint(with_scene, people, chosen, scene),
        "with_a_wrong_one": paint(with_scene, people, chosen, scene.roll(1, 0)),
    }
    errors = {
        name: {region: _error(image, wanted, where) for region, where in regions.items()}
        for name, image in systems.items()
    }
    who = [people.identities[row] for row in target.tolist()]
    report: dict[str, Any] = {"pairs": len(chosen), "people": len(set(who)), **provenance()}
    for name, found in errors.items():
        report[name] = {
            region: {"l1": e.mean().item(), "ci95": bootstrap_interval(e, clusters=who)}
            for region, e in found.items()
        }
    for name in ("with", "with_a_wrong_one"):
        report[f"{name}_minus_without"] = {
            region: paired_difference(errors[name][region], errors["without"][region], clusters=who)
            for region in regions
        }
    # How much of the scene that was given is there, where nobody stands.
    wrong = scene.roll(1, 0)
    report["wrong_scene_outside"] = {
        "to_the_given": _error(systems["with_a_wrong_one"], wrong, regions["outside"])
        .mean()
        .item(),
        "to_the_true": _error(systems["with_a_wrong_one"], wanted, regions["outside"])
        .mean()
        .item(),
    }
    # Both against the scene that was given, so that what the person hides cannot matter.
    for name, given in (("with", scene), ("with_a_wrong_one", wrong)):
        near, far = (_error(systems[name], given, where) for where in _bands(mask))
        report[f"{name}_halo"] = {
            "near": near.mean().item(),
            "far": far.mean().item(),
            "near_minus_far": paired_difference(near, far, clusters=who),
        }
        report[f"{name}_colour"] = _colour(systems[name], given, regions["outside"])
        print(name, report[f"{name}_halo"], "colour", report[f"{name}_colour"])
    for region in regions:
        row = {name: round(found[region].mean().item(), 4) for name, found in errors.items()}
        print(f"{region:10} {row}  {report['with_minus_without'][region]}")
    print("wrong scene, outside:", report["wrong_scene_outside"])
    write_json(json, report)
    if figure is not None:
        shown = people if photos is None else open_dataset(photos, split="test")
        draw(with_scene, without, shown, scenes, figure)


@torch.inference_mode()
def paint(
    generator: Generator,
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    scene: Float[Tensor, "pairs 3 height width"] | None = None,
) -> Float[Tensor, "pairs 3 height width"]:
    """Paint pairs, in scenes where they are given."""
    painted = []
    for rows in torch.arange(len(pairs)).split(BATCH):
        source, target = pairs[rows].T
        view = View(to_float(people.images[source]), people.poses[source])
        place = None if scene is None else scene[rows]
        painted.append(generator(view, people.poses[target], background=place))
    return torch.cat(painted)


def _regions(mask: Float[Tensor, "pairs height width"]) -> dict[str, Bool[Tensor, "_ _ _"]]:
    size = 2 * EDGE + 1
    wide = F.max_pool2d(mask[:, None], size, 1, EDGE)[:, 0]
    narrow = -F.max_pool2d(-mask[:, None], size, 1, EDGE)[:, 0]
    return {
        "outside": wide < 0.02,
        "inside": narrow > 0.98,
        "edge": (wide >= 0.02) & (narrow <= 0.98),
    }


def _bands(mask: Float[Tensor, "pairs height width"]) -> list[Bool[Tensor, "_ _ _"]]:
    """Return masks of the scene within `EDGE` pixels of the person and of the rest."""
    wide = F.max_pool2d(mask[:, None], 2 * EDGE + 1, 1, EDGE)[:, 0]
    return [(mask < 0.02) & (wide >= 0.02), wide < 0.02]


def _colour(image: Tensor, scene: Tensor, where: Bool[Tensor, "pairs height width"]) -> float:
    """Regress the picture's chroma on the background's: 1 if fully reproduced, 0 if grey."""
    painted, given = (
        (one - one.mean(dim=1, keepdim=True)) * where[:, None] for one in (image, scene)
    )
    return ((painted * given).sum() / given.square().sum()).item()


def _error(
    image: Tensor, wanted: Tensor, where: Bool[Tensor, "pairs height width"]
) -> Float[Tensor, "pairs"]:
    apart = (image - wanted).abs().mean(dim=1) * where
    return (apart.sum(dim=(1, 2)) / where.sum(dim=(1, 2)).clamp(min=1)).double()


def draw(
    with_scene: Generator,
    without: Generator,
    people: PhotoSet,
    scenes: UInt8[Tensor, "scenes 3 height width"],
    path: Path,
) -> None:
    """Draw people on five backgrounds: source, pose's photo, without, and in each of the scenes.

    Args:
        with_scene: Takes a background.
        without: Does not.
        people: Whose photos.
        scenes: Of which five are taken.
        path: Of the figure.
    """
    random = torch.Generator().manual_seed(4)
    pairs = people.pairs[torch.randperm(len(people.pairs), generator=random)[:4]]
    places = torch.randperm(len(scenes), generator=random)[:5]
    cells = [torch.ones(3, 3, *people.size)[row] for row in range(3)]
    cells += list(to_float(scenes[places]))
    for pair in pairs:
        five = pair[None].expand(5, 2)
        scene = to_float(scenes[places])
        painted = paint(with_scene, people, five, scene)
        plain = paint(without, people, pair[None])
        source, target = to_float(people.images[pair])
        cells += [source, target, plain[0], *painted]
    image = tile(to_pictures(to_bytes(torch.stack(cells))), columns=8)
    image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.LANCZOS).save(path)
    print(path)


if __name__ == "__main__":
    tyro.cli(main)
