"""OpenPose's output per frame: `{"people": [{"pose_keypoints_2d": [x, y, score, ...]}]}`.

75 numbers are BODY_25; 54 are the older COCO order, which is that of `openpose18`. BODY_25 has the
mid-hip at index 8 and six foot points at the end, which are dropped; the other joints are the same.
A joint is missing if its score is 0. Coordinates must be pixels of the image (OpenPose's default,
`--keypoint_scale 0`).
"""

from pathlib import Path

import torch

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations, are_numbers
from deformgan.skeletons.openpose18 import OPENPOSE18

# Indices of the joints of openpose18 in BODY_25 and in the COCO order.
_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_COCO_18 = tuple(range(18))
_ORDERS = {3 * 25: _BODY_25, 3 * 18: _COCO_18}


def is_openpose(content: object) -> bool:
    """Return whether parsed JSON has this format."""
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def annotations_from_openpose(
    content: dict, path: Path, asked: Skeleton | None = None
) -> Annotations:
    """Read the poses of everyone in one frame.

    Args:
        content: The parsed file.
        path: Path of the file; the frame is named after it, without `_keypoints.json`.
        asked: Required skeleton, if any; only `openpose18` is possible.

    Returns:
        One pose of `openpose18` per person, in the file's order, all with the same name.
    """
    if asked is not None and asked.name != OPENPOSE18.name:
        raise InputError(f"{path}: OpenPose's people have {OPENPOSE18.name}, not {asked.name}.")
    joints = torch.zeros(len(content["people"]), 18, 2)
    visible = torch.zeros(len(content["people"]), 18, dtype=torch.bool)
    for index, person in enumerate(content["people"]):
        values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
        count = len(values) if isinstance(values, list) else 0
        if count not in _ORDERS or not are_numbers(values, count):
            raise InputError(
                f"{path}: person {index} has {count} values in 'pose_keypoints_2d'; an OpenPose "
                "file has 75 numbers (BODY_25) or 54 (COCO)."
            )
        keypoints = torch.tensor(values, dtype=torch.float32).reshape(-1, 3)
        keypoints = keypoints[list(_ORDERS[count])]
        visible[index] = keypoints[:, 2] > 0
        joints[index] = keypoints[:, :2].masked_fill(~visible[index, :, None], 0.0)
    name = path.stem.removesuffix("_keypoints")
    return Annotations([name] * len(joints), Pose(joints, visible), source=str(path))
