"""write_dataset: rendered people in the layout of Market-1501, with exact joints."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deformgan.datasets.batches import to_bytes
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.rendering.identity import Identity, sample_identity
from deformgan.rendering.people import RenderedPeople, Shot, render_people
from deformgan.rendering.posture import sample_posture
from deformgan.rendering.scene import sample_camera, sample_light, sample_place
from deformgan.skeletons import OPENPOSE18

_PLACES = 600


def sample_shot(identity: Identity, seed: int, view: int, attempt: int = 0) -> Shot:
    """Draws what one person does, where, and how it is seen.

    Args:
        identity: Who it is.
        seed: Of the whole data set.
        view: Which picture of this person.
        attempt: Another attempt is another picture.
    """
    random = np.random.default_rng([identity.seed, seed, view, attempt])
    place = sample_place(int(random.integers(_PLACES)))
    x, y = random.normal(0, 3, 2)
    return Shot(
        identity=identity,
        posture=sample_posture(random),
        camera=sample_camera(random),
        light=sample_light(random),
        place=replace(place, offset=(float(x), float(y))),
        seed=int(random.integers(1 << 30)),
    )


def to_jpeg(image: torch.Tensor, path: Path, quality: int):
    """Writes one image (3, height, width) in [-1, 1]."""
    pixels = to_bytes(image[None])[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path, quality=quality)


def write_poses(path: Path, names: list[str], poses: Sequence[Pose]):
    """Writes an annotation table in whole pixels, as the field's detectors give them."""
    pose = Pose.cat(poses)
    write_annotation_csv(path, Annotations(names, Pose(pose.joints.round(), pose.visible)))


def render_usable(shots: Sequence[Callable[[int], Shot]], size: tuple[int, int]) -> RenderedPeople:
    """Takes pictures with all mandatory joints in view.

    Args:
        shots: Each gives the picture to take at the nth attempt, counted from 0: one that nobody
            could train on (a hip out of the frame) is taken again, differently.
        size: (height, width) in pixels.
    """
    attempts = [0] * len(shots)
    for _ in range(100):
        taken = [shot(attempt) for shot, attempt in zip(shots, attempts, strict=True)]
        rendered = render_people(taken, size)
        usable = rendered.pose.usable(OPENPOSE18)
        if usable.all():
            return rendered
        attempts = [n + (not good) for n, good in zip(attempts, usable.tolist(), strict=True)]
    raise AssertionError("no usable picture in 100 attempts")


def _progress(numbers: Sequence[int], unit: str) -> Iterable[int]:
    for done, number in enumerate(numbers):
        print(f"\r{unit} {done}/{len(numbers)}", end="", file=sys.stderr, flush=True)
        yield number
    print(f"\r{unit} {len(numbers)}/{len(numbers)}", file=sys.stderr)


def write_dataset(
    out: Path,
    identities: int = 400,
    views: int = 6,
    first_identity: int = 2001,
    seed: int = 0,
    size: tuple[int, int] = (128, 64),
):
    """Renders a training set: `out/bounding_box_train/*.jpg` and `out/annotation.csv`.

    Args:
        out: A new or existing folder.
        identities: How many people.
        views: Pictures of each, by as many cameras.
        first_identity: Number of the first person; the number decides who it is.
        seed: Of everything but the people.
        size: (height, width) in pixels.
    """
    folder = out / "bounding_box_train"
    folder.mkdir(parents=True, exist_ok=True)
    names, poses = [], []
    for number in _progress(range(first_identity, first_identity + identities), "people"):
        identity = sample_identity(number)
        shots = [partial(sample_shot, identity, seed, view) for view in range(views)]
        rendered = render_usable(shots, size)
        poses.append(rendered.pose)
        for view, image in enumerate(rendered.image):
            names.append(f"{number:04d}_c{view + 1}s1_{view + 1:06d}_00.jpg")
            to_jpeg(image, folder / names[-1], quality=92)
    write_poses(out / "annotation.csv", names, poses)


if __name__ == "__main__":
    import tyro

    tyro.cli(write_dataset)
