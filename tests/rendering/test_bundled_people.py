"""Tests of the people that come with the package; they need no renderer."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deformgan.datasets.bundled_people import (
    LARGE_SIZE,
    SHOWN,
    bundled_large_photos,
    bundled_people,
)
from deformgan.datasets.market1501 import Market1501
from deformgan.pose_formats import read_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

PEOPLE = files("deformgan") / "people"
NUM_PEOPLE = 75
NAMES = [
    f"{person:04d}_c{view}s1_{person:06d}_00.jpg"
    for person in range(1, NUM_PEOPLE + 1)
    for view in (1, 2, 3, 4)
]
HEIGHT, WIDTH = 128, 64


@pytest.fixture(scope="module")
def annotation():
    return read_annotations(str(PEOPLE / "annotation.csv"))


def test_there_are_75_people_in_four_pictures_of_the_models_size():
    folder = PEOPLE / "bounding_box_train"
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    for name in NAMES:
        with Image.open(str(folder / name)) as image:
            assert (image.size, image.mode) == ((WIDTH, HEIGHT), "RGB")


def test_they_are_a_data_set_that_market_readers_open():
    data = Market1501(str(PEOPLE))
    assert data.names == NAMES
    assert len(data.pairs) == NUM_PEOPLE * 4 * 3
    assert data.cameras.tolist() == [1, 2, 3, 4] * NUM_PEOPLE


def test_a_dozen_is_shown_without_reading_the_rest():
    people = bundled_people()
    assert len(people) == 12
    for number, views in zip(SHOWN, people, strict=True):
        assert [view.path.name for view in views] == NAMES[4 * number - 4 : 4 * number]
        for view in views:
            with Image.open(view.path) as image:
                assert np.array_equal(np.asarray(image.convert("RGB")), view.photo)


def test_large_photos_show_the_same_people_at_the_same_places():
    people = bundled_people()
    large = bundled_large_photos()
    assert len(large) == len(people) == 12
    for photo, (small, *_) in zip(large, people, strict=True):
        assert photo.photo.shape == (*LARGE_SIZE, 3)
        reduced = Image.fromarray(photo.photo).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        reduced, expected = (np.asarray(image, dtype=float) for image in (reduced, small.photo))
        apart = np.abs(reduced - expected).mean()
        assert apart < 8
        # A shift by one pixel of the small photo would be noticed.
        assert apart < np.abs(np.roll(reduced, 1, axis=1) - expected).mean()
        assert np.array_equal(photo.pose.visible, small.pose.visible)
        expected = (small.pose.joints + 0.5) * 4 - 0.5
        assert np.allclose(photo.pose.joints, expected)


def test_every_picture_is_annotated_with_a_usable_pose_inside_the_frame(annotation):
    assert annotation.names == NAMES
    assert annotation.pose.usable(OPENPOSE18).all()
    seen = annotation.pose.joints[annotation.pose.visible]
    assert (seen >= -0.5).all()
    assert (seen[:, 0] < WIDTH - 0.5).all()
    assert (seen[:, 1] < HEIGHT - 0.5).all()
    # In hundredths of a pixel, as nobody who looks at pictures could say.
    assert (seen != seen.round()).float().mean() > 0.9


def test_the_first_three_pictures_of_a_person_show_three_sides(annotation):
    right, left = OPENPOSE18.index("right_shoulder"), OPENPOSE18.index("left_shoulder")
    width = annotation.pose.joints[:, left, 0] - annotation.pose.joints[:, right, 0]
    front, side, back, _ = width.reshape(NUM_PEOPLE, 4).T
    assert (front > 5).all()  # a person who faces the camera has the right on the image's left
    assert (back < -5).all()
    assert (side.abs() < front).float().mean() > 0.98
    nose = annotation.pose.visible[:, OPENPOSE18.index("nose")].reshape(NUM_PEOPLE, 4)
    assert nose[:, 0].float().mean() > 0.95
    assert nose[:, 2].float().mean() < 0.02


def test_people_are_told_from_their_surroundings_at_the_joints(annotation):
    # The oracle is the picture: the chest has another colour than the picture's upper corners.
    different = 0
    for row, name in enumerate(NAMES):
        with Image.open(str(PEOPLE / "bounding_box_train" / name)) as image:
            pixels = np.asarray(image, dtype=float)
        torso = OPENPOSE18.indices(["right_shoulder", "left_shoulder", "right_hip", "left_hip"])
        x, y = annotation.pose.joints[row, torso].mean(dim=0).round().int().tolist()
        chest = pixels[y - 4 : y + 5, x - 2 : x + 3].mean(axis=(0, 1))
        corners = np.stack([pixels[y - 4 : y + 5, :4], pixels[y - 4 : y + 5, -4:]])
        different += np.abs(corners.mean(axis=(1, 2)) - chest).max() > 12
    assert different > 0.9 * len(NAMES)


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


def test_all_of_it_weighs_less_than_3_megabytes():
    total = sum(path.stat().st_size for path in Path(str(PEOPLE)).rglob("*") if path.is_file())
    assert total < 3_000_000
