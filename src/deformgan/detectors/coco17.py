"""detection_from_coco17: what a network says of COCO's 17 joints, as a Detection of openpose18."""

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.detectors.person import Detection
from deformgan.pose import Pose
from deformgan.pose_formats.coco_json import (
    OPENPOSE18_FROM_COCO17,
    SHOULDERS,
    openpose18_from_coco17,
)


def detection_from_coco17(
    joints: Float[Tensor, "17 2"], scores: Float[Tensor, "17"], joint_score: float
) -> Detection:
    """Reorders COCO's joints and adds the neck, as sure as the less sure shoulder.

    Where the neck is is the rule of `openpose18_from_coco17`: the middle of the shoulders.

    Args:
        joints: (x, y) in pixels of the image.
        scores: How sure the network is of every joint, in [0, 1].
        joint_score: A joint with a lower score is not visible, in [0, 1].
    """
    # As if all were seen, so that an uncertain neck has a place too, like every uncertain joint.
    seen = torch.ones(1, len(joints), dtype=torch.bool)
    arranged = openpose18_from_coco17(Pose(joints[None], seen)).joints
    neck = scores[SHOULDERS].amin(dim=0, keepdim=True)
    scores = torch.cat([scores, neck])[OPENPOSE18_FROM_COCO17]
    return Detection(Pose(arranged, (scores >= joint_score)[None]), scores)
