"""Rasters by the authors' rule, pixel by pixel: masks of metrics, and their pictures of poses."""

import colorsys
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.parts import inside_polygon
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

# The bones that are common to drawings and masks in the literature, in drawing order: later ones
# cover earlier ones.
FIELD_BONES = (
    ("neck", "right_shoulder"),
    ("neck", "left_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("neck", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
    ("neck", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("neck", "nose"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
)
_BONES = {
    OPENPOSE18.name: (
        *FIELD_BONES,
        ("right_shoulder", "right_ear"),
        ("left_shoulder", "left_ear"),
    )
}


def rasterize_pose(
    pose: Pose, size: tuple[int, int], skeleton: Skeleton = OPENPOSE18, radius: float = 2.0
) -> tuple[UInt8[Tensor, "batch 3 height width"], Bool[Tensor, "batch height width"]]:
    """Draw white bones and a disc per joint, coloured by hue, on black.

    Args:
        pose: Pose in pixels; coordinates are rounded to integers. Missing joints and their bones
            are omitted.
        size: (height, width).
        skeleton: Defines joints and bones.
        radius: Radius of the discs in pixels, exclusive.

    Returns:
        The picture, and the mask of its drawn pixels (for overlays).

    Source:
        The authors' drawing, pixel by pixel for integer coordinates.
    """
    joints = pose.joints.double().round()
    picture = torch.zeros(len(pose), 3, *size, dtype=torch.uint8, device=joints.device)
    drawn = torch.zeros(len(pose), *size, dtype=torch.bool, device=joints.device)
    for bone in _BONES.get(skeleton.name, skeleton.limbs):
        start, end = skeleton.indices(bone)
        coverage = line_coverage(joints[:, start], joints[:, end], size)
        coverage *= (pose.visible[:, start] & pose.visible[:, end])[:, None, None]
        grey = (255 * coverage).to(torch.uint8)[:, None]
        picture = torch.where(coverage[:, None] > 0, grey, picture)
        drawn |= coverage > 0
    for joint in range(len(skeleton.joints)):
        disc = fill_disc(joints[:, joint], radius, size) & pose.visible[:, joint, None, None]
        hue = colorsys.hsv_to_rgb(joint / len(skeleton.joints), 1, 1)
        colour = picture.new_tensor([round(255 * channel) for channel in hue])
        picture = torch.where(disc[:, None], colour[:, None, None], picture)
        drawn |= disc
    return picture, drawn


def rasterize_stickman(
    pose: Pose, size: tuple[int, int], skeleton: Skeleton = OPENPOSE18
) -> Float[Tensor, "batch 3 height width"]:
    """Draw the right side, the left side and the torso as bars, one channel each, in [0, 1].

    The lines from neck to nose and from nose to eye have half the brightness and cover the limbs of
    their channel.

    Args:
        pose: Pose in pixels; parts with a missing joint are omitted.
        size: (height, width). Bars extend 3 px to either side of the bone in an image 128 px wide,
            and proportionally (rounded down) in others.
        skeleton: Defines the joints; it must have shoulders, elbows, wrists, hips, knees, ankles,
            nose and eyes.

    Source:
        The authors' alternative to heatmaps. They mistook joint 14 for the left eye: the line to
        the right eye is in the left side's channel, and vice versa.
    """
    half_width = float(3 * size[1] // 128)
    joints = pose.joints.double()
    at = {name: joints[:, index] for index, name in enumerate(skeleton.joints)}
    seen = {name: pose.visible[:, index] for index, name in enumerate(skeleton.joints)}
    at["neck"] = (at["right_shoulder"] + at["left_shoulder"]) / 2
    seen["neck"] = seen["right_shoulder"] & seen["left_shoulder"]

    def bar(start: str, end: str) -> Tensor:
        corners = bar_corners(at[start], at[end], half_width)
        return fill_polygon(corners, size) & (seen[start] & seen[end])[:, None, None]

    stickman = torch.zeros(len(pose), 3, *size, device=joints.device)
    for channel, (side, eye) in enumerate((("right", "left_eye"), ("left", "right_eye"))):
        chain = [f"{side}_{joint}" for joint in ("ankle", "knee", "hip", "shoulder")]
        chain += [f"{side}_{joint}" for joint in ("elbow", "wrist")]
        for start, end in pairwise(chain):
            stickman[:, channel].masked_fill_(bar(start, end), 1.0)
        for start, end in (("neck", "nose"), ("nose", eye)):
            stickman[:, channel].masked_fill_(bar(start, end), 0.5)
    torso = ("left_hip", "left_shoulder", "right_shoulder", "right_hip")
    complete = torch.stack([seen[joint] for joint in torso]).all(dim=0)
    box = fill_polygon(torch.stack([at[joint] for joint in torso], dim=1), size)
    stickman[:, 2].masked_fill_(box & complete[:, None, None], 1.0)
    return stickman


def fill_polygon(
    corners: Float[Tensor, "*batch corners 2"], size: tuple[int, int]
) -> Bool[Tensor, "*batch height width"]:
    """Fill polygons by the even-odd rule at pixel centres.

    Args:
        corners: (x, y) in pixels, in order; the last corner is connected to the first.
        size: (height, width).

    Returns:
        Mask of the pixels inside. An edge covers the rows from its upper end (inclusive) to its
        lower end (exclusive); a pixel exactly on an edge counts as right of it.
    """
    rows, columns = (
        torch.arange(length, dtype=corners.dtype, device=corners.device) for length in size
    )
    # The rule of the part masks with swapped axes: there, an edge covers columns, here rows.
    return inside_polygon(corners.flip(-1), rows, columns).mT


def fill_disc(
    centre: Float[Tensor, "*batch 2"], radius: float, size: tuple[int, int]
) -> Bool[Tensor, "*batch height width"]:
    """Fill discs at pixel centres.

    Args:
        centre: (x, y) in pixels.
        radius: Radius in pixels, exclusive.
        size: (height, width).
    """
    across, down = _offsets(centre, size)
    return across**2 + down**2 < radius**2


def bar_corners(
    start: Float[Tensor, "*batch 2"], end: Float[Tensor, "*batch 2"], half_width: float
) -> Float[Tensor, "*batch 4 2"]:
    """Return the rectangle along a segment; four equal points for a segment of length 0.

    Args:
        start: (x, y) in pixels.
        end: (x, y) in pixels.
        half_width: Distance from the segment to either long side, in pixels.
    """
    along = end - start
    length = along.norm(dim=-1, keepdim=True)
    normal = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    side = half_width * normal / torch.where(length > 0, length, 1)
    return torch.stack([start + side, start - side, end - side, end + side], dim=-2)


def line_coverage(
    start: Float[Tensor, "*batch 2"], end: Float[Tensor, "*batch 2"], size: tuple[int, int]
) -> Float[Tensor, "*batch height width"]:
    """Draw anti-aliased lines: 1 minus the distance to the line, in the end points' bounding box.

    Args:
        start: (x, y) in whole pixels.
        end: (x, y) in whole pixels.
        size: (height, width).

    Returns:
        Brightness in [0, 1]. For integer coordinates, it equals the anti-aliased Bresenham
        algorithm (Zingl, "A Rasterizing Algorithm for Drawing Curves", 2012).
    """
    across, down = _offsets(start, size)
    along = (end - start)[..., None, None]  # (*batch, 2, 1, 1)
    dx, dy = along.unbind(dim=-3)
    spanned = (across * (across - dx) <= 0) & (down * (down - dy) <= 0)
    length = torch.hypot(dx, dy)
    distance = (across * dy - down * dx).abs() / torch.where(length > 0, length, 1)
    return torch.where(spanned, (1 - distance).clamp(min=0), 0)


def _offsets(point: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return every pixel's offset from a point: across (*batch, 1, W) and down (*batch, H, 1)."""
    rows = torch.arange(size[0], dtype=point.dtype, device=point.device)
    columns = torch.arange(size[1], dtype=point.dtype, device=point.device)
    return columns - point[..., None, 0:1], rows[:, None] - point[..., 1:2, None]
