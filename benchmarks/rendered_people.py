"""Rendered people beside real ones, as outside detectors and simple statistics see them.

`python benchmarks/rendered_people.py --shared ../shared --out DIR` renders people (or takes those
of `--rendered FOLDER`) and measures as many photos of the same number from Market-1501's training
identities and the rendered ones:

- FastestDet (needs onnxruntime): share of images in which it is surer than 0.5 that a person is
  there, and how sure it is on average; images are padded to squares, as it was trained on scenes;
- MoveNet, one look at the whole image: share with a torso score above `PERSON_SCORE`, and of the
  visible joints those found within 8 px of 128, for rendered people against the exact joints, for
  real ones against their annotation;
- brightness, contrast, saturation, sharpness: medians, and 10th and 90th percentile.

The detectors are used for evaluation only, not for training or model selection.
"""

import json
import platform
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import PhotoSet
from deformgan.detectors import load_detector
from deformgan.detectors.fastestdet import FastestDet
from deformgan.detectors.people import PERSON_SCORE
from deformgan.draw.pictures import to_pictures
from deformgan.draw.sheets import tile
from deformgan.evaluation.detection_score import detection_score
from deformgan.skeletons.openpose18 import OPENPOSE18

RADIUS = 8 / 128  # of the image's height
SURE = 0.5
VIEWS = 4
SHOWN, COLUMNS, ZOOM = 48, 12, 2


def render(folder: Path, images: int, seed: int) -> dict[str, float]:
    """Render pictures of 128x64 with one process and measure its speed."""
    from deformgan.rendering.dataset import Plan, render_dataset

    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    kept = [
        was_there
        for _, was_there in render_dataset(folder, Plan(-(-images // VIEWS), VIEWS, seed=seed))
    ]
    seconds = time.perf_counter() - started
    rendered = len(kept) - sum(kept)
    return {"rendered": rendered, "seconds": seconds, "per_second": rendered / seconds}


def look(data: PhotoSet, rows: list[int], shared: Path) -> dict[str, Any]:
    """Run the detectors and the statistics over some images of a data set."""
    images = data.images[rows].permute(0, 2, 3, 1).numpy()
    weights = shared / "weights"
    movenet = load_detector(f"movenet:{weights / 'movenet_single_pose_lightning_ptq.tflite'}")
    radius = RADIUS * data.size[0]
    torso, near, asked = [], torch.zeros(18), torch.zeros(18)
    for row, image in zip(rows, images, strict=True):
        found = movenet(image)
        torso.append(found.torso_score)
        truth = data.poses[[row]]
        off = (found.pose.joints - truth.joints)[0].norm(dim=1)
        near += (off <= radius) & truth.visible[0]
        asked += truth.visible[0]
    result: dict[str, Any] = {
        "images": len(rows),
        "movenet": {
            "person": float(np.mean(np.array(torso) > PERSON_SCORE)),
            "mean_torso_score": float(np.mean(torso)),
            "pck": float(near.sum() / asked.sum()),
            "pck_by_joint": {
                joint: round(float(share), 3)
                for joint, share in zip(OPENPOSE18.joints, near / asked.clamp(min=1), strict=True)
            },
        },
        "visible": round(float(asked.sum()) / (18 * len(rows)), 3),
        "statistics": statistics(images),
    }
    scores = detection_score(data.images[rows], FastestDet(weights / "FastestDet.onnx"))
    result["fastestdet"] = {"person": (scores > SURE).mean(dtype=torch.float64).item()}
    result["fastestdet"]["mean"] = scores.mean().item()
    return result


def statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Return the 10th, 50th and 90th percentile over images of brightness, contrast and colour."""
    numbers: dict[str, list[float]] = {
        name: [] for name in ("brightness", "contrast", "dark", "bright", "saturation", "sharpness")
    }
    for image in images / 255.0:
        grey = image @ np.array([0.299, 0.587, 0.114])
        high, low = image.max(axis=2), image.min(axis=2)
        around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        numbers["brightness"].append(grey.mean())
        numbers["contrast"].append(grey.std())
        numbers["dark"].append(np.percentile(grey, 2))
        numbers["bright"].append(np.percentile(grey, 98))
        numbers["saturation"].append(((high - low) / high.clip(1e-3)).mean())
        numbers["sharpness"].append(np.abs(4 * grey[1:-1, 1:-1] - around).mean())
    return {
        name: np.percentile(values, [10, 50, 90]).round(3).tolist()
        for name, values in numbers.items()
    }


def main(
    shared: Path = Path("../shared"),
    out: Path = Path("runs/rendered_people"),
    rendered: Path | None = None,
    images: int = 1000,
    seed: int = 11,
) -> None:
    """Run the comparison and write `report.json`, `rendered.png` and `real.png`.

    Args:
        shared: The folder with the shared data and weights.
        out: Where to write; created.
        rendered: People rendered by `deformgan data synthesize`; by default they are rendered here.
        images: Of each kind.
        seed: Of the people who are rendered, and of the choice of photos.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"date": date.today().isoformat(), "machine": platform.processor()}
    if rendered is None:
        rendered = out / "rendered"
        report["speed"] = render(rendered, images, seed)
        print(json.dumps(report["speed"]), flush=True)
    kinds = {"rendered": Market1501(rendered), "real": Market1501(shared / "market1501")}
    for kind, data in kinds.items():
        random = np.random.default_rng(seed)
        rows = random.permutation(len(data))[:images].tolist()
        report[kind] = look(data, rows, shared)
        tile(to_pictures(data.images[rows[:SHOWN]], ZOOM), COLUMNS).save(out / f"{kind}.png")
        print(kind, json.dumps(report[kind]), flush=True)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
