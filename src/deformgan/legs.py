"""extend_legs: joints of legs that a photo's lower edge cuts off."""

from itertools import pairwise

import torch

from deformgan.framing import FEET_BELOW_HIPS
from deformgan.pose import Pose, Skeleton

_TOLERANCE = 0.15  # torso lengths above the edge at which a guessed joint may still lie
_SHOULDERS, _HIPS = ("right_shoulder", "left_shoulder"), ("right_hip", "left_hip")
_LEGS = tuple(
    tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle")) for side in ("right", "left")
)


def extend_legs(pose: Pose, photo_size: tuple[int, int], skeleton: Skeleton) -> Pose:
    """Add knees and ankles below the edge of a photo that ends above them.

    Without them a generator ends the person at the last joint, although the photo shows more of
    the leg. A leg continues along the torso with the proportions of pedestrian photos. Joints that
    are hidden within the photo stay invisible.

    Args:
        pose: One pose or more with a torso, in pixels of the photo.
        photo_size: Height and width of the photo.
        skeleton: Skeleton of the poses; those of others than people are returned unchanged.
    """
    names = {name for leg in _LEGS for name in leg}
    if not {*_SHOULDERS, *names} <= set(skeleton.joints):
        return pose
    joints, visible = pose.joints.clone(), pose.visible.clone()
    shoulders, hips = (
        joints[:, skeleton.indices(both)].mean(dim=1) for both in (_SHOULDERS, _HIPS)
    )
    bone = (hips - shoulders) * (FEET_BELOW_HIPS / 2)
    lowest = photo_size[0] - 0.5 - _TOLERANCE * (hips - shoulders).norm(dim=1)
    for leg in _LEGS:
        places = skeleton.indices(leg)
        for upper, lower in pairwise(places):
            guess = joints[:, upper] + bone
            add = visible[:, upper] & ~visible[:, lower] & (guess[:, 1] > lowest)
            joints[:, lower] = torch.where(add[:, None], guess, joints[:, lower])
            visible[:, lower] |= add
    return Pose(joints, visible)
