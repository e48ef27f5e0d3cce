"""The reordering of COCO's joints, against names one by one."""

import torch

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.pose import Pose
from deformgan.pose_formats.coco_json import COCO17, openpose18_from_coco17
from deformgan.skeletons.openpose18 import OPENPOSE18


def test_every_joint_keeps_its_place_and_score_and_the_neck_is_between_the_shoulders():
    joints, scores = 100 * torch.rand(17, 2), torch.rand(17)
    found = detection_from_coco17(joints, scores, joint_score=0.4)
    for place, name in enumerate(OPENPOSE18.joints):
        if name == "neck":
            sides = [COCO17.index("left_shoulder"), COCO17.index("right_shoulder")]
            joint, score = sum(joints[sides]) / 2, min(scores[sides])
        else:
            joint, score = joints[COCO17.index(name)], scores[COCO17.index(name)]
        torch.testing.assert_close(found.pose.joints[0, place], joint)
        assert found.scores[place] == score
        assert found.pose.visible[0, place] == (score >= 0.4)


def test_is_the_rule_of_coco_files():
    joints, scores = 100 * torch.rand(17, 2), torch.rand(17)
    found = detection_from_coco17(joints, scores, joint_score=0.4).pose
    read = openpose18_from_coco17(Pose(joints[None], (scores >= 0.4)[None]))
    assert torch.equal(found.visible, read.visible)
    assert torch.equal(found.joints[found.visible], read.joints[read.visible])


def test_an_uncertain_neck_has_a_place_too():
    joints, scores = torch.full((17, 2), 30.0), torch.zeros(17)
    found = detection_from_coco17(joints, scores, joint_score=0.4)
    assert not found.pose.visible.any()
    assert (found.pose.joints == 30).all()
