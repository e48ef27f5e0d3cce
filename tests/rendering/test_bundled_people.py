"""Tests of the people that come with the package; they need no renderer."""

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from deformgan.pose_formats import read_annotations
from deformgan.skeletons import OPENPOSE18

PEOPLE = files("deformgan") / "people"
NAMES = [f"person_{person:02d}_{view}.jpg" for person in range(12) for view in range(3)]
HEIGHT, WIDTH = 128, 64


@pytest.fixture(scope="module")
def annotation():
    return read_annotations(str(PEOPLE / "annotation.csv"))


def test_there_are_twelve_people_in_three_pictures_of_the_models_size():
    found = sorted(path.name for path in PEOPLE.iterdir() if path.name.endswith(".jpg"))
    assert found == NAMES
    for name in NAMES:
        with Image.open(str(PEOPLE / name)) as image:
            assert (image.size, image.mode) == ((WIDTH, HEIGHT), "RGB")


def test_every_picture_is_annotated_with_a_usable_pose_inside_the_frame(annotation):
    assert annotation.names == NAMES
    assert annotation.pose.usable(OPENPOSE18).all()
    seen = annotation.pose.joints[annotation.pose.visible]
    assert (seen >= 0).all()
    assert (seen[:, 0] < WIDTH).all()
    assert (seen[:, 1] < HEIGHT).all()


def test_the_three_pictures_of_a_person_show_three_sides(annotation):
    right, left = OPENPOSE18.index("right_shoulder"), OPENPOSE18.index("left_shoulder")
    width = annotation.pose.joints[:, left, 0] - annotation.pose.joints[:, right, 0]
    front, side, back = width.reshape(12, 3).T
    assert (front > 5).all()  # a person who faces the camera has the right on the image's left
    assert (back < -5).all()
    assert (side.abs() < front).all()
    nose = annotation.pose.visible[:, OPENPOSE18.index("nose")].reshape(12, 3)
    assert nose[:, 0].sum() >= 11
    assert not nose[:, 2].any()


def test_people_are_told_from_their_surroundings_at_the_joints(annotation):
    # The oracle is the picture: the chest has another colour than the picture's upper corners.
    different = 0
    for row, name in enumerate(NAMES):
        pixels = np.asarray(Image.open(str(PEOPLE / name)), dtype=float)
        torso = OPENPOSE18.indices(["right_shoulder", "left_shoulder", "right_hip", "left_hip"])
        x, y = annotation.pose.joints[row, torso].mean(dim=0).round().int().tolist()
        chest = pixels[y - 4 : y + 5, x - 2 : x + 3].mean(axis=(0, 1))
        corners = np.stack([pixels[y - 4 : y + 5, :4], pixels[y - 4 : y + 5, -4:]])
        different += np.abs(corners.mean(axis=(1, 2)) - chest).max() > 12
    assert different >= 33


def test_the_walk_is_a_cycle_of_usable_poses():
    walk = read_annotations(str(PEOPLE / "walk.csv"))
    assert len(walk) >= 16
    assert walk.pose.usable(OPENPOSE18).all()
    shown = walk.pose.visible.float().mean(dim=0)
    knees_and_ankles = ("right_knee", "left_knee", "right_ankle", "left_ankle")
    assert shown[OPENPOSE18.indices(knees_and_ankles)].min() == 1
    joints = walk.pose.joints
    # A camera that stands still sees the neck stay and the feet go to and fro, once per cycle.
    neck = joints[:, OPENPOSE18.index("neck")]
    assert (neck.amax(dim=0) - neck.amin(dim=0)).max() < 6
    right, left = (joints[:, OPENPOSE18.index(f"{side}_ankle"), 0] for side in ("right", "left"))
    both = walk.pose.visible[:, OPENPOSE18.indices(["right_ankle", "left_ankle"])].all(dim=1)
    ahead = (left - right)[both].sign()
    ahead = ahead[ahead != 0]
    assert (ahead != ahead.roll(1)).sum() == 2
    # The last frame leads to the first one: no jump is longer than within the film.
    moved = (joints - joints.roll(1, dims=0)).norm(dim=-1)
    together = walk.pose.visible & walk.pose.visible.roll(1, dims=0)
    moved = moved.masked_fill(~together, 0).amax(dim=1)
    assert moved[0] <= moved[1:].max()


def test_all_of_it_weighs_less_than_400_kilobytes():
    total = sum(len(path.read_bytes()) for path in PEOPLE.iterdir() if path.is_file())
    assert total < 400_000
