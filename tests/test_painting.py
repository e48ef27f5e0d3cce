"""Whole images in other poses."""

import pytest
import torch

from deformgan.checkpoint import load_generator
from deformgan.legs import complete_legs
from deformgan.models.layers import resize, resize_pose
from deformgan.painting import encode, paint, paint_layers
from deformgan.pair import View
from deformgan.pixels import to_bytes
from deformgan.pose import Pose
from deformgan.push_pull import fill_holes
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


@pytest.fixture
def generator(layered_weights):
    return load_generator(layered_weights)[0]


@pytest.mark.parametrize("size", [(128, 64), (256, 96), (256, 256), (100, 90)])
def test_whole_images_of_any_size_are_painted_at_theirs(generator, people, size):
    torch.manual_seed(0)
    view = View(torch.rand(2, 3, *size) * 2 - 1, people(2, size))
    pictures = paint(generator, view, people(2, size, seed=2))
    assert pictures.shape == (2, 3, *size)
    # From a photo twice as large, the same again: it is averaged down first.
    twice = View(
        view.image.repeat_interleave(2, 2).repeat_interleave(2, 3),
        resize_pose(view.pose, size, (2 * size[0], 2 * size[1])),
    )
    again = paint(generator, twice, people(2, size, seed=2), size)
    assert (again.int() - pictures.int()).abs().max() <= 1


def test_a_photo_of_other_proportions_is_widened_and_stays_whole(generator, people):
    view = View(torch.rand(1, 3, 96, 48) * 2 - 1, people(1, (96, 48)))
    pictures = paint(generator, view, people(1, (96, 96)), (96, 96))
    assert pictures.shape == (1, 3, 96, 96)
    wide = torch.zeros(1, 3, 96, 96)
    wide[..., 24:72] = view.image
    hole = torch.ones(1, 96, 96, dtype=torch.bool)
    hole[..., 24:72] = False
    pose = Pose(view.pose.joints + torch.tensor([24.0, 0.0]), view.pose.visible)
    direct = paint(generator, View(fill_holes(wide, hole), pose), people(1, (96, 96)))
    assert pictures.equal(direct)


def test_whole_images_of_several_photos_are_painted(generator, people):
    torch.manual_seed(0)
    views = [
        View(torch.rand(2, 3, *size) * 2 - 1, people(2, size, seed=3))
        for size in ((128, 64), (256, 128))
    ]
    both = paint(generator, views, people(2))
    assert both.shape == (2, 3, *SIZE)
    twice = paint(generator, [views[0]] * 2, people(2))
    once = paint(generator, views[0], people(2))
    assert (twice.int() - once.int()).abs().max() <= 1
    assert (both != once).any()


def test_a_scene_is_behind_everybody_and_nowhere_else(generator, people):
    torch.manual_seed(0)
    view, targets = View(torch.rand(2, 3, *SIZE) * 2 - 1, people(2)), people(2, seed=2)
    layers = paint_layers(generator, [encode(generator, view, scene=False)], targets, SIZE)
    for scene in (torch.rand(1, 3, 1, 1), torch.rand(2, 3, *SIZE), torch.rand(2, 3, 256, 128)):
        pictures = paint(generator, view, targets, background=scene * 2 - 1)
        behind = resize(scene * 2 - 1, SIZE)
        expected = layers.matte * layers.person + (1 - layers.matte) * behind
        assert (pictures.int() - to_bytes(expected).int()).abs().max() <= 1


def test_legs_that_the_lower_edge_cuts_off_are_completed_in_photo_and_picture(generator, people):
    view, targets = View(torch.rand(2, 3, *SIZE) * 2 - 1, people(2)), people(2, seed=2)
    legs = OPENPOSE18.indices(["right_knee", "left_knee", "right_ankle", "left_ankle"])
    hips = OPENPOSE18.indices(["right_hip", "left_hip"])
    for pose in (view.pose, targets):
        pose.visible[:, legs] = False
        pose.visible[:, hips] = True
        pose.joints[:, hips, 1] = SIZE[0] - 5.0
    completed = [complete_legs(pose, OPENPOSE18, SIZE) for pose in (view.pose, targets)]
    assert all(pose.visible[:, legs].all() for pose in completed)
    found = paint(generator, view, targets)
    assert found.equal(paint(generator, View(view.image, completed[0]), completed[1]))
    with torch.inference_mode():
        assert not found.equal(to_bytes(generator(view, targets)))
