"""write_bundle: the people that come with the package, for the demo and for tests.

`python -m deformgan.rendering.bundle --out src/deformgan/people` makes them again, on the same
machine to the byte. Nobody in them exists, and none of them is in a training set: their numbers,
9001 and up, are outside of the range that `write_dataset` takes by default.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from deformgan.pose import Pose
from deformgan.rendering.dataset import sample_shot, to_jpeg, write_poses
from deformgan.rendering.identity import sample_identity
from deformgan.rendering.people import Shot, render_people
from deformgan.rendering.posture import walking
from deformgan.rendering.scene import Camera
from deformgan.skeletons import OPENPOSE18

IDENTITIES = (9001, 9003, 9005, 9009, 9011, 9012, 9013, 9015, 9016, 9019, 9022, 9024)
_HEADINGS = (20.0, 95.0, 195.0)  # towards the camera, across the picture, away
_WALK_FRAMES = 24
_WALKER = 9001
SIZE = (128, 64)


def _shots(number: int, person: int) -> list[Shot]:
    # Each faces three ways, mirrored for every other person, in three different postures.
    identity = sample_identity(number)
    random = np.random.default_rng([number, 4])
    sign = 1 if person % 2 == 0 else -1
    shots = []
    for view, heading in enumerate(_HEADINGS):
        shot = sample_shot(identity, seed=1, view=view)
        turned = replace(shot.posture, heading=sign * heading + float(random.uniform(-20, 20)))
        shots.append(replace(shot, posture=turned))
    return shots


def _walk() -> list[Shot]:
    # One cycle on the spot, seen by one camera, half turned towards it.
    shot = sample_shot(sample_identity(_WALKER), seed=1, view=0)
    camera = Camera(height=2.6, distance=9.0, margin=(0.05, 0.05))
    return [
        replace(
            shot,
            posture=replace(walking(frame / _WALK_FRAMES, stride=0.9), heading=30.0),
            camera=camera,
        )
        for frame in range(_WALK_FRAMES)
    ]


def write_bundle(out: Path):
    """Writes `person_NN_K.jpg`, their `annotation.csv`, and the frames of a walk in `walk.csv`.

    Args:
        out: The folder; existing files of these names are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    names, poses = [], []
    for person, number in enumerate(IDENTITIES):
        for view, shot in enumerate(_shots(number, person)):
            rendered = render_people([shot], SIZE)
            assert rendered.pose.usable(OPENPOSE18).all(), f"person {number}, view {view}"
            names.append(f"person_{person:02d}_{view}.jpg")
            poses.append(rendered.pose)
            to_jpeg(rendered.image[0], out / names[-1], quality=95)
    write_poses(out / "annotation.csv", names, poses)
    walk = render_people(_walk(), SIZE, one_crop=True).pose
    # A film is there to move somebody else: it knows where a limb is that the other one hides.
    limbs = [joint.endswith(("elbow", "wrist", "knee", "ankle")) for joint in OPENPOSE18.joints]
    walk = Pose(walk.joints, walk.visible | torch.tensor(limbs))
    assert walk.usable(OPENPOSE18).all(), "the walk"
    frames = [f"walk_{frame:02d}.jpg" for frame in range(_WALK_FRAMES)]
    write_poses(out / "walk.csv", frames, [walk])


if __name__ == "__main__":
    import tyro

    tyro.cli(write_bundle)
