"""detection_from_coco17: convert a network's 17 COCO joints to a Detection of openpose18."""

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
    """Reorder COCO's joints and add the neck, with the lower of the shoulders' scores.

    The neck is the midpoint of the shoulders, as in `openpose18_from_coco17`.

    Args:
        joints: (x, y) in pixels of the image.
        scores: Confidence of every joint, in [0, 1].
        joint_score: Joints with a lower score are not visible, in [0, 1].
    """
    # Treat all joints as visible, so that an uncertain neck has a position too.
    seen = torch.ones(1, len(joints), dtype=torch.bool)
    arranged = openpose18_from_coco17(Pose(joints[None], seen)).joints
    neck = scores[SHOULDERS].amin(dim=0, keepdim=True)
    scores = torch.cat([scores, neck])[OPENPOSE18_FROM_COCO17]
    return Detection(Pose(arranged, (scores >= joint_score)[None]), scores)
