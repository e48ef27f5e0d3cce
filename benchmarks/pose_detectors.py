"""Pose detectors side by side: on Market-1501, on DeepFashion, on the authors' walking man.

`python benchmarks/pose_detectors.py --shared ../shared --out DIR` measures the bundled detector and
MoveNet on the same images:

- the 100 test identities of Market-1501: share of the annotated joints found within 8 px;
- the 200 photos of the DeepFashion pairs: within 12 of 256 px;
- the 67 walking frames: share of MoveNet's visible joints that the other one puts within 8 px;
- images of nobody: how many are taken for a person.

"one look" is a single call with the whole photo as the person's box; "found" is what `generate`
does: search for people, look again, the largest. A joint counts wherever the detector puts it,
whether it calls it visible or not; "seen" counts only those that it does, "right" is the share of
these that are near.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deformgan.datasets.market1501 import Market1501
from deformgan.detectors import PoseDetector, find_person, load_detector
from deformgan.draw.poses import draw_pose
from deformgan.draw.sheets import tile
from deformgan.photo_file import read_photo
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18


@dataclass
class Tally:
    """Counts of joints, over images."""

    joints: list[torch.Tensor] = field(default_factory=list)
    total: int = 0
    missed: int = 0

    def add(self, truth: Pose, found: Pose | None, radius: float) -> None:
        """Count one image's joints within `radius` pixels of the truth."""
        asked = truth.visible[0]
        self.total += 1
        if found is None:
            self.missed += 1
            near = seen = torch.zeros_like(asked)
        else:
            near = (found.joints - truth.joints)[0].norm(dim=1) <= radius
            seen = found.visible[0]
        self.joints.append(torch.stack([asked, near & asked, seen & asked, seen & near & asked]))

    def report(self) -> dict[str, float]:
        """Return shares over all joints."""
        asked, near, seen, right = torch.stack(self.joints).sum(dim=(0, 2)).tolist()
        return {
            "images": self.total,
            "nobody_found": self.missed,
            "pck": near / asked,
            "seen": seen / asked,
            "right": right / max(seen, 1),
        }

    def by_joint(self) -> dict[str, float]:
        """Return the share of near ones for every joint."""
        counts = torch.stack(self.joints).sum(dim=0).float()
        share = (counts[1] / counts[0].clamp(min=1)).tolist()
        return dict(zip(OPENPOSE18.joints, [round(value, 3) for value in share], strict=True))


# Colours of right and left limbs, and of the others.
SIDES = {"right": (255, 0, 0), "left": (0, 191, 255)}
MIDDLE = (0, 255, 0)


def measure(
    detector: PoseDetector, images: list[np.ndarray], truth: Pose, radius: float
) -> dict[str, dict]:
    """Count joints near the truth, in one look and after a search."""
    look, found = Tally(), Tally()
    usable, seconds = 0, 0.0
    for row, image in enumerate(images):
        started = time.process_time()
        detection = detector(image)
        seconds += time.process_time() - started
        look.add(truth[[row]], detection.pose, radius)
        person = find_person(detector, image)
        found.add(truth[[row]], None if person is None else person.pose, radius)
        usable += person is not None and bool(person.pose.usable(OPENPOSE18))
    result = {"one look": look.report(), "found": found.report()}
    result["one look"]["ms"] = 1000 * seconds / len(images)
    result["found"]["usable"] = usable / len(images)
    result["by joint"] = found.by_joint()
    return result


def nobody() -> dict[str, np.ndarray]:
    """Make images without people: noise, flat colours, stripes, blobs."""
    random = np.random.default_rng(0)
    images = {}
    for number in range(20):
        size = (128, 64) if number % 2 else (240, 320)
        images[f"noise_{number}"] = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        flat = np.full((*size, 3), random.integers(0, 256, 3), dtype=np.uint8)
        images[f"flat_{number}"] = flat
        small = random.integers(0, 256, (*(side // 16 for side in size), 3), dtype=np.uint8)
        blobs = Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC)
        images[f"blobs_{number}"] = np.array(blobs)
    try:
        from skimage import data
    except ImportError:
        return images
    for name in ("brick", "grass", "gravel", "coffee", "chelsea", "coins", "page", "moon",
                 "hubble_deep_field", "rocket", "clock", "text"):  # fmt: skip
        try:
            image = np.asarray(getattr(data, name)())
        except Exception:  # some are downloads
            continue
        images[name] = np.ascontiguousarray(
            np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]
        ).astype(np.uint8)
    return images


def draw(image: np.ndarray, pose: Pose, scale: int) -> Image.Image:
    """Draw a pose into an enlarged photo: right limbs red, left ones blue, others green."""
    picture = Image.fromarray(image).resize((image.shape[1] * scale, image.shape[0] * scale))
    sides = [bone[1].split("_")[0] for bone in OPENPOSE18.limbs]
    colours = [SIDES.get(side, MIDDLE) for side in sides]
    draw_pose(picture, pose, scale, bones=colours, width=2, radius=1)
    return picture


def compare(
    shared: Path = Path("../shared"),
    out: Path = Path("runs/pose_detectors"),
    pose18: str = "pose18",
    images: int = 10_000,
    step: int = 1,
) -> None:
    """Run the comparison and write `report.json` and overlays.

    Args:
        shared: The folder with the shared data and weights.
        out: Where to write; created.
        pose18: The bundled detector or other weights for it, as for --detector.
        images: At most so many of Market-1501.
        step: Only every so many of them.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    movenet = shared / "weights" / "movenet_single_pose_lightning_ptq.tflite"
    detectors = {"pose18": load_detector(pose18), "movenet": load_detector(f"movenet:{movenet}")}
    report: dict[str, dict] = {name: {} for name in detectors}

    market = Market1501(shared / "market1501", split="test")
    rows = market.poses.visible.any(dim=1).nonzero()[:, 0][::step][:images]
    pedestrians = list(market.images[rows].permute(0, 2, 3, 1).numpy())
    table = read_annotation_csv(shared / "deepfashion-pairs" / "annotation.csv")
    names = [name for name in table.names if table[name].visible.any()]
    fashion = [read_photo(shared / "deepfashion-pairs" / "img" / name) for name in names]
    walk = [read_photo(path) for path in sorted((shared / "walk" / "frames").iterdir())]
    walker = Pose.cat([detectors["movenet"](frame).pose for frame in walk])
    empty = nobody() | {"street": read_photo(shared / "walk" / "bg-image.jpg")}
    for name, detector in detectors.items():
        results = report[name]
        results["market1501"] = measure(detector, pedestrians, market.poses[rows], 8.0)
        results["deepfashion"] = measure(detector, fashion, table.select(names).pose, 12.0)
        results["walk"] = measure(detector, walk, walker, 8.0)
        people = {
            key: person.torso_score
            for key, image in empty.items()
            if (person := find_person(detector, image)) is not None
        }
        results["nobody"] = {"images": len(empty), "taken for people": people}
        for key, shown, scale, columns in (
            ("market1501", pedestrians[:: max(1, len(pedestrians) // 40)], 3, 10),
            ("deepfashion", fashion[::8], 1, 5),
            ("walk", walk[::4], 3, 9),
        ):
            pictures = []
            for image in shown:
                person = find_person(detector, image)
                pose = detector(image).pose if person is None else person.pose
                pictures.append(draw(image, pose, scale))
            tile(pictures, columns, gap=0).save(out / f"{name}_{key}.png")
        for key, values in results.items():
            print(name, key, json.dumps(values), flush=True)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    import tyro

    tyro.cli(compare)
