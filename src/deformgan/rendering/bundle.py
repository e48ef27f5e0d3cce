"""write_bundle: the people shipped with the package, for the demo, tests and a first training.

`python -m deformgan.rendering.bundle --out src/deformgan/people` recreates them, byte for byte on
the same machine. None of them exists. They have a seed of their own, so they do not occur in data
sets rendered with another one.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deformgan.datasets.bundled_people import LARGE, LARGE_SIZE, SHOWN
from deformgan.files import write_image
from deformgan.pixels import to_bytes, to_photos
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.rendering.dataset import IMAGES, TABLE, Plan, render_usable, sample_shot, save_jpeg
from deformgan.rendering.people import Shot, render_people
from deformgan.rendering.posture import walking
from deformgan.rendering.scene import Camera
from deformgan.skeletons.openpose18 import OPENPOSE18

PLAN = Plan(people=75, per_person=4, size=(128, 64), seed=9001)
_HEADINGS = (20.0, 95.0, 195.0)  # towards the camera, across, away; the remaining view is random
_JPEG_QUALITY = 85
_WEBP_QUALITY = 85  # of the large photos
_WALK_FRAMES = 24
_WALKER = 1


def _shot(number: int, view: int) -> Callable[[int], Shot]:
    # Everyone faces three ways, mirrored for every other person, in different postures.
    identity = PLAN.identity(number)
    turn = float(np.random.default_rng([number, view, 4]).uniform(-20, 20))
    sign = 1 if number % 2 == 0 else -1

    def take(attempt: int) -> Shot:
        shot = sample_shot(identity, PLAN.seed, view, attempt)
        if view >= len(_HEADINGS):
            return shot
        heading = sign * _HEADINGS[view] + turn
        # No occluders: the demo and many tests use these pictures.
        return replace(shot, posture=replace(shot.posture, heading=heading), before=())

    return take


def _walk() -> list[Shot]:
    # One cycle on the spot, seen by a fixed camera at an angle.
    shot = replace(sample_shot(PLAN.identity(_WALKER), PLAN.seed, 0), others=(), before=())
    camera = Camera(height=2.6, distance=9.0, margin=(0.05, 0.05))
    return [
        replace(
            shot,
            posture=replace(walking(frame / _WALK_FRAMES, stride=0.9), heading=30.0),
            camera=camera,
        )
        for frame in range(_WALK_FRAMES)
    ]


def write_bundle(out: Path, people: int = PLAN.people) -> None:
    """Write Market-1501's layout with `annotation.csv`, large photos, and a walk in `walk.csv`.

    Args:
        out: Output folder; existing files of these names are replaced.
        people: Number of people.
    """
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    names, poses = [], []
    for number in range(1, people + 1):
        shots = [_shot(number, view) for view in range(PLAN.per_person)]
        for view, rendered in enumerate(render_usable(shots, PLAN.size, render_people, OPENPOSE18)):
            names.append(PLAN.name(number, view))
            poses.append(rendered.pose)
            save_jpeg(rendered.image[0], out / IMAGES / names[-1], _JPEG_QUALITY)
    write_annotation_csv(out / TABLE, Annotations(names, Pose.cat(poses)))
    (out / LARGE).mkdir(exist_ok=True)
    for number in SHOWN:
        if number <= people:
            (rendered,) = render_usable([_shot(number, 0)], LARGE_SIZE, render_people, OPENPOSE18)
            (photo,) = to_photos(to_bytes(rendered.image))
            path = out / LARGE / f"{number:04d}.webp"
            write_image(path, Image.fromarray(photo), quality=_WEBP_QUALITY, method=6)
    walk = render_people(_walk(), PLAN.size, one_crop=True).pose
    # The walk drives other people, so it includes limbs that are hidden in this rendering.
    limbs = [joint.endswith(("elbow", "wrist", "knee", "ankle")) for joint in OPENPOSE18.joints]
    walk = Pose(walk.joints, walk.visible | torch.tensor(limbs))
    assert walk.usable(OPENPOSE18).all(), "the walk"
    frames = [f"walk_{frame:02d}.jpg" for frame in range(_WALK_FRAMES)]
    write_annotation_csv(out / "walk.csv", Annotations(frames, walk))


if __name__ == "__main__":
    import tyro

    tyro.cli(write_bundle)
