"""Poses in figures: bones, joints and outlines of parts, drawn onto enlarged pictures."""

from collections.abc import Sequence

from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from deformgan.draw.colours import PAPER, Colour, bone_colours, part_colours
from deformgan.parts import hull_outline, part_corners, unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

TRANSLUCENT = 90  # alpha of a part, of 255


def draw_pose(
    picture: Image.Image,
    pose: Pose,
    zoom: int,
    skeleton: Skeleton = OPENPOSE18,
    *,
    bones: Sequence[Colour] | None = None,
    joints: Colour = PAPER,
    rim: Colour | None = None,
    width: int | None = None,
    radius: float | None = None,
) -> None:
    """Draw the visible bones and joints of one pose onto an enlarged picture.

    Args:
        picture: Modified in place.
        pose: A batch of one, in pixels before enlarging.
        zoom: Magnification of the picture.
        skeleton: Defines joints and bones.
        bones: Colour of every bone; by default, each has its own hue.
        joints: Colour of the joints.
        rim: Colour of the joints' outlines; None for no outline.
        width: Width of bones and outlines, in pixels of the picture; `zoom + 1` by default.
        radius: Radius of the joints, in pixels of the picture; `zoom` by default.
    """
    draw = ImageDraw.Draw(picture)
    width = zoom + 1 if width is None else width
    # Pillow would truncate the coordinates.
    places = [(round(x), round(y)) for x, y in zoomed(pose.joints[0], zoom)]
    seen = pose.visible[0].tolist()
    colours = bone_colours(len(skeleton.limbs)) if bones is None else bones
    for number, bone in enumerate(skeleton.limbs):
        start, end = skeleton.indices(bone)
        if seen[start] and seen[end]:
            draw.line([places[start], places[end]], colours[number], width)
    for place, visible in zip(places, seen, strict=True):
        if visible:
            draw.circle(place, zoom if radius is None else radius, joints, rim, width)


def pose_pictures(
    poses: Pose, size: tuple[int, int], zoom: int, skeleton: Skeleton = OPENPOSE18
) -> list[Image.Image]:
    """Draw every pose of a batch on black.

    Args:
        poses: In pixels of images of `size`.
        size: (height, width).
        zoom: Magnification of the pictures.
        skeleton: Defines joints and bones.
    """
    pictures = []
    for place in range(len(poses)):
        picture = Image.new("RGB", (size[1] * zoom, size[0] * zoom))
        draw_pose(picture, poses[[place]], zoom, skeleton)
        pictures.append(picture)
    return pictures


def part_outlines(pose: Pose, skeleton: Skeleton) -> list[Float[Tensor, "corners 2"] | None]:
    """Return the outline of every part of one pose in pixels; None if the part is not visible.

    A part whose mask is the whole image is outlined by its joints.
    """
    corners, present = part_corners(pose, skeleton)
    half = unit_length(pose, skeleton)[0] * skeleton.square_half
    square = pose.joints.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    outlines: list[Tensor | None] = []
    for place, part in enumerate(skeleton.parts):
        indices = skeleton.indices(part.joints)
        seen = pose.visible[0, indices]
        joints = pose.joints[0, indices][seen]
        if part.region == "limb":
            outlines.append(corners[0, place] if present[0, place] else None)
        elif seen.sum() < part.needs:
            outlines.append(None)
        elif part.region == "hull":
            margin = float(unit_length(pose, skeleton)[0] * part.margin)
            outlines.append(hull_outline(joints, margin))
        else:
            outlines.append(
                joints if part.region == "image" else joints.mean(dim=0, keepdim=True) + square
            )
    return outlines


def draw_outlines(
    picture: Image.Image, polygons: Sequence[Tensor | None], zoom: int
) -> Image.Image:
    """Draw translucent, outlined polygons over an enlarged picture."""
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    for polygon, colour in zip(polygons, part_colours(len(polygons)), strict=True):
        if polygon is None:
            continue
        one = Image.new("RGBA", picture.size)
        places = zoomed(polygon, zoom)
        ImageDraw.Draw(one).polygon(places, fill=(*colour, TRANSLUCENT))
        layer.alpha_composite(one)
        draw.line([*places, places[0]], (*colour, 255), width=max(1, zoom // 2), joint="curve")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def zoomed(points: Float[Tensor, "points 2"], zoom: int) -> list[tuple[float, float]]:
    """Convert pixel coordinates of an image to those of the enlarged image."""
    return [((x + 0.5) * zoom - 0.5, (y + 0.5) * zoom - 0.5) for x, y in points.tolist()]
