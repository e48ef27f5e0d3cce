"""Arguments shared by several commands: weights, sizes, skeletons.

This imports torch, so commands import it inside their functions.
"""

from pathlib import Path

from deformgan.checkpoint import load_generator
from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons import find_skeleton
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


def check_skeleton(asked: str | None, weights: Skeleton) -> Skeleton:
    """Return the skeleton of the weights, after checking that `--skeleton` agrees with it.

    Args:
        asked: Value of `--skeleton`; None if the flag is not given.
        weights: Skeleton that the generator was trained on.
    """
    if asked is not None and (given := find_skeleton(asked)) != weights:
        raise InputError(
            f"--skeleton is {asked} ({len(given.joints)} joints), but the weights were trained on "
            f"{weights.name} ({len(weights.joints)} joints)."
        )
    return weights


def check_weights_skeleton(asked: str | None, weights: str | Path) -> None:
    """Check that `--skeleton`, if given, is the skeleton of some weights."""
    if asked is not None:
        generator, _ = load_generator(weights, background=True)
        check_skeleton(asked, generator.skeleton)


def describe_pose(pose: Pose, skeleton: Skeleton = OPENPOSE18) -> dict[str, list[float]]:
    """Return the visible joints of a single pose by name, for a report."""
    seen = zip(skeleton.joints, pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    return {joint: place for joint, place, visible in seen if visible}
