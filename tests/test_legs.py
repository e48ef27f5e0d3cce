"""Legs that a photo does not show: guessed, everywhere or below its edge alone."""

import pytest
import torch

from deformgan.legs import complete_legs
from deformgan.pose import Pose
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.openpose18 import OPENPOSE18

J = {name: place for place, name in enumerate(OPENPOSE18.joints)}
LEGS = [J[f"{side}_{joint}"] for side in ("right", "left") for joint in ("knee", "ankle")]


def standing(*missing: str) -> Pose:
    """A person of 280 rows whose hips are in row 120, without some joints."""
    joints, visible = torch.zeros(1, 18, 2), torch.ones(1, 18, dtype=torch.bool)
    for side, x in (("right", 40.0), ("left", 60.0)):
        for joint, y in (("shoulder", 20.0), ("hip", 120.0), ("knee", 190.0), ("ankle", 260.0)):
            joints[0, J[f"{side}_{joint}"]] = torch.tensor([x, y])
    for name in missing:
        visible[0, J[name]] = False
        joints[0, J[name]] = 0.0
    return Pose(joints, visible)


ALL = ("right_knee", "left_knee", "right_ankle", "left_ankle")


def test_legs_go_on_along_the_torso_in_the_proportions_of_pedestrians():
    for names, rows in ((ALL, 150), (ALL[2:], 220)):
        completed, whole = complete_legs(standing(*names), OPENPOSE18, (rows, 100)), standing()
        assert completed.visible.all()
        torch.testing.assert_close(completed.joints, whole.joints)


def test_a_leaning_torso_leans_the_legs_and_one_leg_may_be_there():
    pose = standing("right_knee", "right_ankle", "left_ankle")
    for name in ("right_hip", "left_hip"):
        pose.joints[0, J[name], 0] += 50.0
    completed = complete_legs(pose, OPENPOSE18, (150, 200))
    # The right thigh is parallel to the left one; both shins are hidden.
    places = {name: completed.joints[0, J[name]].tolist() for name in ALL}
    thigh = 60.0 - 110.0
    assert places["left_knee"] == [60.0, 190.0]
    assert places["right_knee"] == [90.0 + thigh, 190.0]
    assert places["left_ankle"] == pytest.approx([60.0 + 0.7 * 50, 260.0])
    assert places["right_ankle"] == pytest.approx([90.0 + thigh + 0.7 * 50, 260.0])


@pytest.mark.parametrize("rows", [400, 230])
def test_joints_that_are_hidden_within_the_photo_stay_hidden(rows):
    # Of 230 rows the ankles would be below the edge, but hang on knees that are hidden.
    pose = standing(*ALL)
    completed = complete_legs(pose, OPENPOSE18, (rows, 100))
    assert completed.visible.equal(pose.visible)
    assert completed.joints.equal(pose.joints)


def test_without_a_photo_all_missing_joints_are_guessed():
    whole = standing()
    for names in (ALL, ALL[:1], ALL[2:], ALL[::2]):
        completed = complete_legs(standing(*names), OPENPOSE18)
        assert completed.visible.all()
        torch.testing.assert_close(completed.joints, whole.joints)
    step = standing("left_knee", "left_ankle")
    step.joints[0, J["right_knee"]] = torch.tensor([70.0, 180.0])
    step.joints[0, J["right_ankle"]] = torch.tensor([20.0, 220.0])
    completed = complete_legs(step, OPENPOSE18)
    assert completed.joints[0, J["left_knee"]].tolist() == [90.0, 180.0]
    assert completed.joints[0, J["left_ankle"]].tolist() == [40.0, 220.0]


def test_a_joint_just_above_the_edge_counts_as_cut_off():
    for rows, added in ((190, True), (204, True), (208, False)):
        completed = complete_legs(standing(*ALL), OPENPOSE18, (rows, 100))
        assert completed.visible[0, J["left_knee"]].item() is added


def test_without_an_upright_torso_nothing_is_guessed():
    for missing in ("right_shoulder", "left_hip"):
        pose = standing(missing, "right_knee", "right_ankle")
        assert complete_legs(pose, OPENPOSE18, (150, 100)).visible.equal(pose.visible)
        assert complete_legs(pose, OPENPOSE18).visible.equal(pose.visible)
    upright = standing(*ALL)
    lying = Pose(upright.joints.flip(2), upright.visible)
    assert complete_legs(lying, OPENPOSE18).visible.equal(lying.visible)


def test_what_is_seen_stays_and_frames_are_completed_one_by_one():
    frames = Pose.cat([standing(), standing(*ALL), standing("left_ankle")])
    before = frames.joints.clone()
    completed = complete_legs(frames, OPENPOSE18, (200, 100))
    assert frames.joints.equal(before)
    assert completed.joints[frames.visible].equal(before[frames.visible])
    assert completed.visible.all()


def test_other_skeletons_of_people_have_legs_too_and_animals_are_left_alone():
    coco, quadruped = SKELETONS["coco17"], SKELETONS["quadruped20"]
    joints = torch.zeros(1, len(coco.joints), 2)
    visible = torch.zeros(1, len(coco.joints), dtype=torch.bool)
    for side, x in (("right", 40.0), ("left", 60.0)):
        for joint, y in (("shoulder", 20.0), ("hip", 120.0)):
            place = coco.joints.index(f"{side}_{joint}")
            joints[0, place], visible[0, place] = torch.tensor([x, y]), True
    completed = complete_legs(Pose(joints, visible), coco, (130, 100))
    assert completed.visible[0, coco.joints.index("left_ankle")]
    count = len(quadruped.joints)
    animal = Pose(torch.rand(1, count, 2) * 50, torch.rand(1, count) > 0.5)
    assert complete_legs(animal, quadruped, (20, 50)) is animal
