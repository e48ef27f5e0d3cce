"""Sheets that show inputs next to results.

This imports numpy and torch, so commands import it inside their functions.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from deformgan.cli.pictures import Picture
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

ZOOM = 3  # pictures 64 pixels wide are hard to see
WALK_ZOOM = 2  # smaller, since a GIF has many frames
GAP = 6
HEADER = 28
PAPER, INK = (255, 255, 255), (40, 40, 40)
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
    """Arrange all examples on a sheet, one row per person, in two columns of people.

    Args:
        examples: Those of all people in their first pose, then of all in their second, and so on.
        num_people: Number of people.
    """
    by_person = [examples[number::num_people] for number in range(num_people)]
    strips, headers = [], []
    for group in by_person:
        cells, words = [_enlarge(group[0].source)], ["photo"]
        for example in group:
            result = _enlarge(example.result, as_large_as=example.target)
            cells += [draw_pose(example.target, example.pose), result]
            words += ["pose", "result"]
        strips.append(_row(cells))
        headers.append(words)
    half = (num_people + 1) // 2
    columns = [strips[:half], strips[half:]]
    width = max(strip.width for strip in strips)
    height = strips[0].height
    sheet = Image.new(
        "RGB",
        (len(columns) * (width + 4 * GAP) + 2 * GAP, HEADER + half * (height + GAP) + 2 * GAP),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for place, column in enumerate(columns):
        left = 3 * GAP + place * (width + 4 * GAP)
        cell = (width + GAP) / len(headers[0])
        for number, word in enumerate(headers[0]):
            middle = left + (number + 0.5) * cell - GAP / 2
            draw.text((middle, HEADER / 2 + 2), word, INK, _font(), anchor="mm")
        for line, strip in enumerate(column):
            sheet.paste(strip, (left, HEADER + GAP + line * (height + GAP)))
    return np.array(sheet)


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
        frames.append(np.array(_row([draw_pose(blank, poses[[frame]], WALK_ZOOM), *people])))
    return frames


def draw_pose(photo: Picture, pose: Pose, zoom: int = ZOOM) -> Image.Image:
    """Draw the bones of one pose over its faded photo, enlarged."""
    faded = _enlarge((photo * FADED).astype(np.uint8), zoom)
    draw = ImageDraw.Draw(faded)
    places = [tuple((value + 0.5) * zoom for value in joint) for joint in pose.joints[0].tolist()]
    seen = pose.visible[0].tolist()
    for number, bone in enumerate(OPENPOSE18.limbs):
        start, end = OPENPOSE18.indices(bone)
        if seen[start] and seen[end]:
            color = _color(number / len(OPENPOSE18.limbs))
            draw.line([places[start], places[end]], color, width=zoom + 1)
    for place, visible in zip(places, seen, strict=True):
        if visible:
            draw.circle(place, zoom, (255, 255, 255))
    return faded


def _enlarge(picture: Picture, zoom: int = ZOOM, as_large_as: Picture | None = None) -> Image.Image:
    """Enlarge a picture, optionally to the same height as another enlarged picture."""
    image = Image.fromarray(picture)
    rows = zoom * (picture if as_large_as is None else as_large_as).shape[0]
    columns = round(image.width * rows / image.height)
    return image.resize((columns, rows), Image.Resampling.BICUBIC)


def _row(cells: Sequence[Image.Image]) -> Image.Image:
    width = sum(cell.width + GAP for cell in cells) - GAP
    row = Image.new("RGB", (width, max(cell.height for cell in cells)), PAPER)
    left = 0
    for cell in cells:
        row.paste(cell, (left, 0))
        left += cell.width + GAP
    return row


def _color(hue: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(16)
