"""Scenes without their person, against the true ones: filled smoothly, and by shifted copies.

Rendered people come with the view without them:

    deformgan data synthesize --people 40 --per-person 5 --seed 77 --size 256x128 --out SET
    python benchmarks/emptied_scenes.py SET --json emptied.json

Sharpness is that of the hole relative to the true scene's (1 is best); the distance and KID are on
EfficientNet-Lite0's features, of whole pictures. Intervals are over pictures.
"""

import time
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image

from deformgan.backbones.efficientnet_lite0 import EfficientNetLite0
from deformgan.datasets.backgrounds import widen
from deformgan.files import write_json
from deformgan.inpainting import inpaint
from deformgan.metrics.efficientnet_lite0 import lpips_efficientnet_lite0
from deformgan.metrics.kid import kid
from deformgan.metrics.sharpness import relative_sharpness
from deformgan.provenance import provenance
from deformgan.push_pull import fill_holes
from deformgan.stats.bootstrap import bootstrap_interval

_BEYOND = 0.03  # of the height, by which a hole exceeds the person


def main(data: Path, /, pictures: int = 200, json: Path | None = None) -> None:
    """Measure both ways.

    Args:
        data: Rendered people with backgrounds.
        pictures: Number of pictures, evenly chosen.
        json: Where to write the numbers.
    """
    names = sorted(path.stem for path in (data / "backgrounds").iterdir())
    names = names[:: max(1, len(names) // pictures)][:pictures]
    network = EfficientNetLite0()
    ways = {"smooth": lambda image, hole: fill_holes(image[None], hole[None])[0], "copies": inpaint}
    found: dict[str, dict[str, list[float]]] = {}
    pooled: dict[str, list[torch.Tensor]] = {"true": []}
    for name in names:
        photo, scene = (
            torch.from_numpy(np.array(Image.open(data / folder / f"{name}.jpg"))).permute(2, 0, 1)
            for folder in ("bounding_box_train", "backgrounds")
        )
        mask = torch.from_numpy(np.array(Image.open(data / "masks" / f"{name}.png")) > 0)
        hole = widen(mask[None], round(_BEYOND * mask.shape[0]))[0]
        true = network(scene[None])
        pooled["true"].append(true.pooled)
        for way, fill in ways.items():
            start = time.perf_counter()
            filled = fill(photo - 127.5, hole)
            seconds = time.perf_counter() - start
            image = (filled + 127.5).round().clamp(0, 255).byte()
            seen = network(image[None])
            pooled.setdefault(way, []).append(seen.pooled)
            measured = {
                "sharpness": relative_sharpness(image[None], scene[None], hole[None]).item(),
                "lpips_efficientnet_lite0": lpips_efficientnet_lite0(seen, true).item(),
                "seconds": seconds,
            }
            for what, value in measured.items():
                found.setdefault(way, {}).setdefault(what, []).append(value)
    report: dict[str, object] = {**provenance(), "pictures": len(names)}
    for way, measured in found.items():
        rows = {
            what: {"median": float(np.median(values)), **_mean(values)}
            for what, values in measured.items()
        }
        far, _ = kid(torch.cat(pooled[way]), torch.cat(pooled["true"]), subset_size=len(names))
        report[way] = {**rows, "kid_efficientnet_lite0": far}
        print(way, report[way], flush=True)
    if json is not None:
        write_json(json, report)


def _mean(values: list[float]) -> dict[str, object]:
    interval = bootstrap_interval(torch.tensor(values, dtype=torch.float64))
    return {"mean": float(np.mean(values)), "interval": interval}


if __name__ == "__main__":
    tyro.cli(main)
