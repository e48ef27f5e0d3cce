"""Sheets that show inputs next to results.

This imports numpy and torch, so commands import it inside their functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deformgan.cli.pictures import Picture
from deformgan.draw.poses import draw_pose
from deformgan.draw.sheets import beside, contact_sheet
from deformgan.pose import Pose

ZOOM = 3  # pictures 64 pixels wide are hard to see
WALK_ZOOM = 2  # smaller, since a GIF has many frames
FADED = 0.25  # brightness of the photo under a drawn pose


@dataclass(frozen=True)
class Example:
    """One generated picture with its inputs.

    Attributes:
        source: Photo of the person.
        target: Photo of the target pose.
        pose: The target pose, a batch of one, in pixels of `target`.
        result: The person of `source` in `pose`.
    """

    source: Picture
    target: Picture
    pose: Pose
    result: Picture


def draw_sheet(examples: Sequence[Example], num_people: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """Arrange all examples on a sheet, one row per person, two people side by side.

    Args:
        examples: Those of all people in their first pose, then of all in their second, and so on.
        num_people: Number of people.
    """
    rows = []
    for group in (examples[number::num_people] for number in range(num_people)):
        row = [_enlarge(group[0].source, as_large_as=group[0].target)]
        for example in group:
            result = _enlarge(example.result, as_large_as=example.target)
            row += [_draw_pose(example.target, example.pose, ZOOM), result]
        rows.append(row)
    titles = ["photo"] + ["pose", "result"] * (len(examples) // num_people)
    return np.array(contact_sheet(titles, rows, strips=2))


def draw_walk(
    poses: Pose, size: tuple[int, int], walkers: Sequence[Sequence[Picture]]
) -> list[UInt8[np.ndarray, "rows columns 3"]]:
    """Arrange several animations of one motion side by side, with the pose on the left.

    Args:
        poses: Pose of each frame.
        size: Height and width of the photos that the poses refer to.
        walkers: For each person, one picture per frame.
    """
    blank = np.zeros((*size, 3), np.uint8)
    frames = []
    for frame in range(len(poses)):
        people = [_enlarge(walker[frame], WALK_ZOOM, blank) for walker in walkers]
        frames.append(np.array(beside([_draw_pose(blank, poses[[frame]], WALK_ZOOM), *people])))
    return frames


def _draw_pose(photo: Picture, pose: Pose, zoom: int) -> Image.Image:
    """Draw one pose over its faded photo, enlarged."""
    faded = _enlarge((photo * FADED).astype(np.uint8), zoom)
    draw_pose(faded, pose, zoom)
    return faded


def _enlarge(picture: Picture, zoom: int = ZOOM, as_large_as: Picture | None = None) -> Image.Image:
    """Enlarge a picture, or resize it to the same height as another enlarged picture."""
    image = Image.fromarray(picture)
    rows = zoom * (picture if as_large_as is None else as_large_as).shape[0]
    columns = round(image.width * rows / image.height)
    return image.resize((columns, rows), Image.Resampling.BICUBIC)
