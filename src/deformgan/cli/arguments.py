"""Arguments shared by several commands: weights, sizes, skeletons.

This imports torch, so commands import it inside their functions.
"""

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18


def read_size(size: str | None) -> tuple[int, int] | int | None:
    """Parse `--size`: height and width, or the height alone."""
    if size is None:
        return None
    height, cross, width = size.lower().partition("x")
    if not (height.isdecimal() and (width.isdecimal() if cross else True)):
        raise InputError(
            f"--size is {size}; it must be HEIGHTxWIDTH, such as 512x256, or the height alone."
        )
    return (int(height), int(width)) if cross else int(height)


def describe_pose(pose: Pose, skeleton: Skeleton = OPENPOSE18) -> dict[str, list[float]]:
    """Return the visible joints of a single pose by name, for a report."""
    seen = zip(skeleton.joints, pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    return {joint: place for joint, place, visible in seen if visible}
