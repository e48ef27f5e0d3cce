"""Poses of a file that states the size of its photos, compared with the photos."""

from pathlib import Path

import torch

from deformgan.errors import InputError
from deformgan.photo_file import open_photo, orientation
from deformgan.pose import Pose

_ROUNDING = 1  # pixels


def match_photo(pose: Pose, stated: tuple[int, int] | None, path: str | Path, source: str) -> Pose:
    """Return a pose in pixels of the upright photo.

    Some tools annotate the pixels as stored, and leave out the turn that the photo's EXIF data
    demand: such poses are turned.

    Args:
        pose: In pixels of a photo of the stated size.
        stated: Its (height, width) according to the pose file; None if that states none.
        path: The photo.
        source: The pose file, for errors.

    Raises:
        InputError: If the photo has another size.
    """
    if stated is None:
        return pose
    with open_photo(path) as image:
        width, height = image.size
        turn = orientation(image)
    stored, upright = (height, width), (width, height) if turn >= 5 else (height, width)
    if _equal(stated, upright):
        return pose
    if turn >= 5 and _equal(stated, stored):
        return turn_pose(pose, stored, turn)
    raise InputError(
        f"{source} has poses of a photo of {stated[1]}x{stated[0]} pixels (width x height), but "
        f"{path} has {upright[1]}x{upright[0]}."
    )


def turn_pose(pose: Pose, stored: tuple[int, int], turn: int) -> Pose:
    """Turn poses from the stored to the upright photo.

    Args:
        pose: In pixels of the photo as stored.
        stored: Its (height, width).
        turn: EXIF orientation, 5 to 8: those that exchange height and width.
    """
    x, y = pose.joints.unbind(dim=-1)
    right, down = {
        5: (y, x),
        6: (stored[0] - 1 - y, x),
        7: (stored[0] - 1 - y, stored[1] - 1 - x),
        8: (y, stored[1] - 1 - x),
    }[turn]
    joints = torch.stack([right, down], dim=-1).masked_fill(~pose.visible[..., None], 0.0)
    return Pose(joints, pose.visible)


def _equal(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(abs(a - b) <= _ROUNDING for a, b in zip(one, other, strict=True))
