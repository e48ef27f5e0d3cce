"""The mask of the person that masked metrics look through."""

import numpy as np
import pytest
import skimage.morphology
import torch

from deformgan.evaluation.person_mask import person_mask
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18


def unpack(packed, width):
    return np.unpackbits(packed, axis=-1)[..., :width].astype(bool)


@pytest.mark.parametrize("size", ["128x64", "256x256"])
def test_is_the_authors_mask_for_every_golden_pose(golden, size):
    arrays = np.load(golden / f"poses_{size}.npz")
    height, width = map(int, size.split("x"))
    keypoints = torch.from_numpy(arrays["kp_to"])
    pose = Pose(keypoints.flip(-1), (keypoints != -1).all(dim=-1))
    expected = unpack(arrays["ma_mask_packed"], width)
    ambiguous = unpack(arrays["ma_mask_ambiguous_packed"], width)
    differs = (person_mask(pose, (height, width)).numpy() != expected) & ~ambiguous
    assert differs.sum() == 0


def test_is_the_mask_that_the_golden_scores_looked_through(golden):
    keypoints = torch.from_numpy(np.load(golden / "poses_128x64.npz")["kp_to"][:10])
    pose = Pose(keypoints.flip(-1), (keypoints != -1).all(dim=-1))
    expected = unpack(np.load(golden / "ssim.npz")["mask_packed_128x64"], 64)
    np.testing.assert_array_equal(person_mask(pose, (128, 64)).numpy(), expected)


def test_is_made_of_discs_and_bars_closed_by_a_square():
    start, end, alone = np.array([[8.3, 10.1], [20.2, 19.4], [21.1, 5.2]])
    joints = torch.zeros(1, 18, 2, dtype=torch.float64)
    joints[0, [2, 3, 6]] = torch.from_numpy(np.stack([start, end, alone]))
    visible = torch.zeros(1, 18, dtype=torch.bool)
    visible[0, [2, 3, 6]] = True  # right shoulder to elbow is a link; the left elbow hangs alone

    length = np.linalg.norm(end - start)
    bone = (end - start) / length
    region = np.zeros((30, 28), dtype=bool)
    for y in range(30):
        for x in range(28):
            point = np.array([x, y])
            near = [np.linalg.norm(point - joint) < 4 for joint in (start, end, alone)]
            along, across = (point - start) @ bone, (point - start) @ [-bone[1], bone[0]]
            region[y, x] = any(near) or (0 <= along < length and abs(across) < 4)
    square = skimage.morphology.footprint_rectangle((5, 5))
    expected = skimage.morphology.closing(region, square)
    assert expected.sum() > region.sum()
    mask = person_mask(Pose(joints, visible), (30, 28))[0]
    np.testing.assert_array_equal(mask.numpy(), expected)


def test_touches_the_border_where_the_person_does():
    joints = torch.zeros(1, 18, 2)
    joints[0, 0] = torch.tensor([0.0, 0.0])
    visible = torch.zeros(1, 18, dtype=torch.bool)
    visible[0, 0] = True
    mask = person_mask(Pose(joints, visible), (20, 12))[0]
    assert mask[0, :4].all()
    assert mask[:4, 0].all()
    assert not mask[5:].any()


def test_is_the_same_alone_and_in_a_batch():
    pose = Pose(torch.rand(5, 18, 2) * 70 - 5, torch.rand(5, 18) < 0.7)
    together = person_mask(pose, (64, 48))
    for item in range(5):
        assert torch.equal(person_mask(pose[item : item + 1], (64, 48))[0], together[item])


def test_nobody_is_an_empty_mask():
    pose = Pose(torch.rand(2, 18, 2) * 40, torch.zeros(2, 18, dtype=torch.bool))
    assert not person_mask(pose, (64, 48)).any()


def test_another_skeleton_is_drawn_along_its_own_bones():
    stick = Skeleton(
        name="stick",
        joints=("head", "foot", "bag"),
        mirrored=(),
        limbs=(("head", "foot"),),
        parts=(),
        unit=(),
        core=(),
    )
    joints = torch.tensor([[[10.0, 5.0], [10.0, 40.0], [30.0, 20.0]]])
    mask = person_mask(Pose(joints, torch.ones(1, 3, dtype=torch.bool)), (48, 40), stick)[0]
    assert mask[5:40, 7:13].all()
    assert mask[20, 30]
    assert not mask[20, 18:24].any()
    assert OPENPOSE18.name != stick.name
