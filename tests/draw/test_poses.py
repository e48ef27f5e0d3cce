"""Poses in figures: what is where in them."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.draw.poses import draw_pose, pose_pictures
from deformgan.pose import Pose
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.openpose18 import OPENPOSE18


def pose_of(skeleton, *shown):
    count = len(skeleton.joints)
    turn = torch.arange(count) / count * 2 * torch.pi
    joints = 32 + 25 * torch.stack([turn.cos(), turn.sin()], dim=1)
    visible = torch.zeros(count, dtype=torch.bool)
    visible[list(shown) or slice(None)] = True
    return Pose(joints[None], visible[None])


@pytest.mark.parametrize("zoom", [1, 3, 4])
@pytest.mark.parametrize("name", SKELETONS)
def test_a_joint_is_drawn_at_its_place_and_nothing_else(name, zoom):
    skeleton = SKELETONS[name]
    pose = pose_of(skeleton, 1)
    (picture,) = pose_pictures(pose, (64, 64), zoom, skeleton)
    rows, columns = np.nonzero(np.array(picture).any(axis=2))
    middle = torch.tensor([columns.mean(), rows.mean()])
    # The centre of a pixel of the image is the centre of `zoom` pixels of the picture.
    expected = (pose.joints[0, 1] + 0.5) * zoom - 0.5
    torch.testing.assert_close(middle, expected.to(middle), atol=0.51, rtol=0)


def test_a_bone_needs_both_ends_and_has_its_own_colour():
    start, end = OPENPOSE18.indices(OPENPOSE18.limbs[2])
    colours = [(place + 1, 0, 0) for place in range(len(OPENPOSE18.limbs))]
    for shown, expected in (((start, end), {0, 3}), ((start,), {0})):
        picture = Image.new("RGB", (256, 256))
        pose = pose_of(OPENPOSE18, *shown)
        draw_pose(picture, pose, 4, bones=colours, joints=(0, 0, 0))
        assert set(np.array(picture)[..., 0].ravel().tolist()) == expected


def test_by_default_bones_differ_in_colour():
    pose = pose_of(OPENPOSE18)
    picture = Image.new("RGB", (256, 256))
    draw_pose(picture, pose, 4)
    colours = {tuple(colour) for colour in np.array(picture).reshape(-1, 3).tolist()}
    assert len(colours - {(0, 0, 0), (255, 255, 255)}) == len(OPENPOSE18.limbs)
