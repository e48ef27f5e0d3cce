"""Coordinates that are shares of the picture (0 to 1, or -1 to 1) instead of pixels."""

from collections.abc import Sequence
from pathlib import Path

import torch

from deformgan.errors import InputError
from deformgan.pose import Pose

_LARGEST = 2.0  # a joint may be somewhat outside its picture
_FEWEST = 3  # joints, of which one is not on a whole number


def are_shares(pose: Pose) -> bool:
    """Return whether the joints of all people are shares: nobody is two pixels large."""
    seen = pose.joints[pose.visible]
    return bool(
        len(seen) >= _FEWEST and seen.abs().max() <= _LARGEST and (seen != seen.round()).any()
    )


def to_pixels(pose: Pose, sizes: Sequence[tuple[int, int] | None], path: Path) -> Pose:
    """Scale poses by the size of their pictures if they are shares.

    Args:
        pose: Poses of a file.
        sizes: (height, width) of the picture of each; None if the file does not state it.
        path: The file, for errors.

    Raises:
        InputError: If they are shares and a size is unknown.
    """
    if not are_shares(pose):
        return pose
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise InputError(
            f"{path}: the coordinates are shares of the picture, not pixels, and the file does not "
            "state the picture's size; multiply them by its width and height."
        )
    scale = torch.tensor([(width, height) for height, width in known], dtype=torch.float32)
    shares = pose.joints
    # Half of the people's joints would lie left of the middle, but hardly any left of the picture.
    if bool((shares[pose.visible] < 0).float().mean() > 0.1):
        shares = (shares + 1) / 2
    joints = (shares * scale[:, None]).masked_fill(~pose.visible[..., None], 0.0)
    return Pose(joints, pose.visible)
