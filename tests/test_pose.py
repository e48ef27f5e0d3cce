"""Poses of a batch: selecting, flipping, filling gaps."""

import numpy as np
import torch

from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18


def from_keypoints(keypoints):
    """Convert the golden layout: column 0 is y, -1 is missing."""
    keypoints = torch.from_numpy(keypoints)
    return Pose(keypoints.flip(-1).float(), (keypoints != -1).all(dim=-1))


def random_pose(batch=6):
    return Pose(torch.rand(batch, 18, 2) * 60, torch.rand(batch, 18) < 0.6)


def test_carry_over_is_the_authors(golden):
    frames = np.load(golden / "demo_carry_over.npz")
    filled = from_keypoints(frames["detected"]).carry_over()
    expected = from_keypoints(frames["filled"])
    assert torch.equal(filled.visible, expected.visible)
    assert torch.equal(filled.joints[filled.visible], expected.joints[expected.visible])


def test_carry_over_matches_the_definition():
    pose = random_pose(30)
    joints, visible = pose.joints.clone(), pose.visible.clone()
    for frame in range(1, 30):
        for joint in range(18):
            if not visible[frame, joint] and visible[frame - 1, joint]:
                joints[frame, joint] = joints[frame - 1, joint]
                visible[frame, joint] = True
    filled = pose.carry_over()
    assert torch.equal(filled.visible, visible)
    assert torch.equal(filled.joints[visible], joints[visible])


def test_carry_over_keeps_what_was_seen_and_is_done_at_once():
    pose = random_pose()
    filled = pose.carry_over()
    assert torch.equal(filled.joints[pose.visible], pose.joints[pose.visible])
    again = filled.carry_over()
    assert torch.equal(again.joints, filled.joints)
    assert torch.equal(again.visible, filled.visible)
    assert torch.equal(pose[[2]].carry_over().visible, pose.visible[[2]])


def test_a_joint_that_was_never_seen_stays_missing():
    pose = random_pose()
    pose.visible[:, 4] = False
    pose.visible[:3, 5] = False
    pose.visible[3, 5] = True
    filled = pose.carry_over()
    assert not filled.visible[:, 4].any()
    assert filled.visible[:, 5].tolist() == [False, False, False, True, True, True]


def test_a_flip_undoes_itself_and_swaps_left_and_right():
    pose = random_pose()
    flipped = pose.flip(64, OPENPOSE18)
    left, right = OPENPOSE18.index("left_knee"), OPENPOSE18.index("right_knee")
    assert torch.equal(flipped.joints[:, left, 0], 63 - pose.joints[:, right, 0])
    assert torch.equal(flipped.joints[:, left, 1], pose.joints[:, right, 1])
    assert torch.equal(flipped.visible[:, left], pose.visible[:, right])
    twice = flipped.flip(64, OPENPOSE18)
    torch.testing.assert_close(twice.joints, pose.joints)
    assert torch.equal(twice.visible, pose.visible)


def test_a_pose_is_usable_with_both_hips_and_both_shoulders():
    pose = Pose(torch.zeros(5, 18, 2), torch.ones(5, 18, dtype=torch.bool))
    for row, joint in enumerate(["right_hip", "left_hip", "right_shoulder", "left_shoulder"]):
        pose.visible[row, OPENPOSE18.index(joint)] = False
    pose.visible[4, OPENPOSE18.index("nose")] = False
    assert pose.usable(OPENPOSE18).tolist() == [False, False, False, False, True]


def test_slices_lists_and_masks_select_and_cat_joins():
    pose = random_pose()
    joined = Pose.cat([pose[:2], pose[[2, 3]], pose[torch.tensor([False] * 4 + [True] * 2)]])
    assert len(joined) == 6
    assert torch.equal(joined.joints, pose.joints)
    assert torch.equal(joined.visible, pose.visible)
