"""Do generated photos, whose joints are known exactly, teach a pose detector?

The bundled detector's network learns twice from scratch with the same steps and seeds, from a few
people's annotated photos, and from these and as many generated ones of the same people; it is then
asked for the joints of the 100 test identities. All of it is small: a few minutes of a core for
each run.

    python benchmarks/generated_poses.py --market ../shared/market1501 --generated runs/reid/ours \
        --empty runs/empty --json generated_poses.json

The generator was trained on all 551 people and uses their poses, so it adds information beyond
the few people.
"""

import math
import sys
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
import tyro
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.backbones.pose18_network import Pose18Config, Pose18Network
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import PhotoSet
from deformgan.files import write_json
from deformgan.pose import Pose
from deformgan.provenance import provenance
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.stats.bootstrap import bootstrap_interval

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.pose18 import find_joints, pose18_loss, read_empty
from tools.pose18_crops import CropBatches, People

NEAR = 8  # pixels, as in benchmarks/pose_detectors.py
WARM_UP = 50


def main(
    market: Path,
    generated: Path,
    empty: Path,
    json: Path,
    people: int = 50,
    steps: int = 700,
    batch: int = 16,
    seeds: tuple[int, ...] = (0, 1),
) -> None:
    """Train and compare.

    Args:
        market: Market-1501 with the field's annotation.
        generated: What `deformgan reid augment` wrote of it.
        empty: A folder of photos of one size without people.
        json: Where to write.
        people: How many training people's photos are at hand.
        steps: Of every run.
        batch: Crops per step.
        seeds: One run of each kind per seed.
    """
    torch.set_num_threads(1)
    real, made = Market1501(market), Market1501(generated)
    chosen = set(sorted(set(real.identities))[:: len(set(real.identities)) // people][:people])
    sources = {photo.name: photo.source for photo in read_manifest(generated / MANIFEST)}
    few = real.of_people(chosen)
    names = {name for name, source in sources.items() if source in set(few.names)}
    extra = some(made, [row for row, name in enumerate(made.names) if name in names])
    tested = Market1501(market, "test")
    nobody = read_empty(empty)
    print(
        f"{len(few)} photos of {len(chosen)} people, {len(extra)} generated, {len(tested)} to test"
    )
    arms = {"real": [few], "real and generated": [few, extra]}
    found: dict[str, list[Tensor]] = {name: [] for name in arms}
    for seed in seeds:
        for name, sets in arms.items():
            begun = time.perf_counter()
            network = train(sets, nobody, steps, batch, seed)
            found[name].append(joints_found(network, tested))
            print(f"{name}, seed {seed}: {mean(found[name][-1]):.4f}", end=" ")
            print(f"in {time.perf_counter() - begun:.0f} s", flush=True)
    difference = torch.stack(
        [one - other for one, other in zip(found["real and generated"], found["real"], strict=True)]
    )
    per_photo = difference.nansum(dim=2).mean(dim=0)
    joints = (~difference[0].isnan()).sum(dim=1)
    kept = joints > 0
    interval = bootstrap_interval(
        per_photo[kept] / joints[kept],
        weights=joints[kept],
        clusters=[tested.identities[row] for row in kept.nonzero()[:, 0].tolist()],
    )
    each = [mean(part) for part in difference]
    report: dict[str, Any] = {
        "photos": len(few),
        "people": len(chosen),
        "generated": len(extra),
        "steps": steps,
        "batch": batch,
        "pck8": {name: [mean(part) for part in parts] for name, parts in found.items()},
        "difference": {
            "mean": fmean(each),
            "each_seed": each,
            "sd_over_seeds": stdev(each) if len(each) > 1 else None,
            "ci95_over_people": list(interval),
        },
        **provenance(),
    }
    print(report["difference"])
    write_json(json, report)


def train(sets: list[PhotoSet], nobody: Tensor, steps: int, batch: int, seed: int) -> nn.Module:
    """Train the network, more simply than `tools/pose18.py` does: no average, none rendered."""
    people = []
    for photos in sets:
        enough = photos.poses.visible.sum(dim=1) >= 4
        people.append(People(photos.images[enough], photos.poses[enough]))
    empty = batch // 8
    share, rest = divmod(batch - empty, len(sets))
    counts = [share + (number < rest) for number in range(len(sets))]
    batches = CropBatches(people, counts, nobody, empty, seed, gentle_from=round(0.6 * steps))
    torch.manual_seed(seed)
    network = Pose18Network(Pose18Config()).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02, fused=True)
    for step in range(steps):
        rate = 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * rate
        crops = batches[step]
        loss = pose18_loss(
            network(crops.images.contiguous(memory_format=torch.channels_last)), crops
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def some(photos: PhotoSet, rows: list[int]) -> PhotoSet:
    """Return some photos of a set."""
    return PhotoSet(
        names=[photos.names[row] for row in rows],
        identities=[photos.identities[row] for row in rows],
        cameras=photos.cameras[rows],
        paths=[photos.paths[row] for row in rows],
        poses=Pose(photos.poses.joints[rows], photos.poses.visible[rows]),
        size=photos.size,
    )


def joints_found(network: nn.Module, tested: PhotoSet) -> Float[Tensor, "photos joints"]:
    """Return which annotated joints are found within `NEAR` pixels; NaN where none is annotated."""
    places, _ = find_joints(network, tested.images)
    near = ((places - tested.poses.joints).norm(dim=2) <= NEAR).double()
    return near.masked_fill(~tested.poses.visible, torch.nan)


def mean(found: Float[Tensor, "photos joints"]) -> float:
    """Average over all annotated joints."""
    return found.nanmean().item()


if __name__ == "__main__":
    tyro.cli(main)
