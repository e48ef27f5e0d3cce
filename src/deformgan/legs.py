"""complete_legs: joints of legs that a photo does not show."""

from itertools import pairwise

import torch

from deformgan.framing import FEET_BELOW_HIPS, HIPS, SHOULDERS
from deformgan.pose import Pose, Skeleton

_TOLERANCE = 0.15  # torso lengths: a guess this far above the edge still counts as cut off
_UPRIGHT = 0.5  # share of the torso's length that is vertical, at least
_JOINTS = ("hip", "knee", "ankle")
_SIDES = (("right", "left"), ("left", "right"))


def complete_legs(
    pose: Pose, skeleton: Skeleton, photo_size: tuple[int, int] | None = None
) -> Pose:
    """Guess the knees and ankles that are not visible.

    Without them a generator ends a leg at its last joint. A leg is guessed to be parallel to the
    other one; if that is not visible either, to continue along the torso with the proportions of
    pedestrian photos.

    Args:
        pose: One pose or more. Those without a whole, fairly upright torso stay as they are.
        skeleton: Skeleton of the poses; those of others than people are returned unchanged.
        photo_size: Height and width of the photo that the pose is of. If given, only joints below
            the photo's edge are guessed; those hidden within it stay invisible.
    """
    if not {*SHOULDERS, *(f"{side}_{name}" for side, _ in _SIDES for name in _JOINTS)} <= set(
        skeleton.joints
    ):
        return pose
    joints, visible = pose.joints.clone(), pose.visible.clone()
    shoulders, hips = (joints[:, skeleton.indices(two)].mean(dim=1) for two in (SHOULDERS, HIPS))
    torso = hips - shoulders
    length = torso.norm(dim=1)
    known = pose.visible[:, skeleton.indices([*SHOULDERS, *HIPS])].all(dim=1)
    known &= torso[:, 1] >= _UPRIGHT * length
    if photo_size is None:
        lowest = torch.full_like(torso[:, 1], -torch.inf)
    else:
        lowest = photo_size[0] - 0.5 - _TOLERANCE * length
    for sides in _SIDES:
        leg, twin = (skeleton.indices([f"{side}_{name}" for name in _JOINTS]) for side in sides)
        for (upper, lower), (start, end) in zip(pairwise(leg), pairwise(twin), strict=True):
            seen = (pose.visible[:, start] & pose.visible[:, end])[:, None]
            parallel = pose.joints[:, end] - pose.joints[:, start]
            guess = joints[:, upper] + torch.where(seen, parallel, torso * (FEET_BELOW_HIPS / 2))
            add = known & visible[:, upper] & ~visible[:, lower] & (guess[:, 1] > lowest)
            joints[:, lower] = torch.where(add[:, None], guess, joints[:, lower])
            visible[:, lower] |= add
    return Pose(joints, visible)
