"""draw_skeleton: draw a skeleton with a legend.

This imports numpy and torch, so commands import it inside their functions.
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from deformgan.cli.skeleton.layout import lay_out
from deformgan.draw.colours import Colour
from deformgan.draw.poses import draw_pose, zoomed
from deformgan.draw.sheets import wrap
from deformgan.parts import part_masks
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.skeleton_file import SkeletonFile

FINE = 2  # drawing is enlarged by this factor, then reduced, for smooth edges
STAGE = 900  # the longer side of the drawing, in pixels
FRAME = 28  # margin around joints and parts, in pixels
PANEL = 420
GAP = 28
COLUMN = 176  # width of a column of joint names
PAPER, INK, SOFT, BONE = (255, 255, 255), (33, 37, 41), (110, 116, 122), (66, 72, 78)
TINT, WHOLE = 0.34, 0.07  # opacity of a part, and of one that covers the whole image
DISC = 6  # radius of a joint, with margin
REACHES = (15, 21, 28, 38, 50)  # distances to try from a joint to its number's centre
FAR = 25  # beyond this distance, a line links a number to its joint
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stage:
    """A skeleton in a typical pose.

    Attributes:
        skeleton: The skeleton to draw.
        pose: In pixels of the stage.
        size: Height and width of the stage.
        colours: One per part.
    """

    skeleton: Skeleton
    pose: Pose
    size: tuple[int, int]
    colours: list[Colour]


def draw_skeleton(file: SkeletonFile) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the masks of the parts, the bones, the numbered joints, and a legend.

    Args:
        file: The skeleton; without an example pose, the joints are laid out by its bones.
    """
    stage = set_stage(file)
    height, width = stage.size
    drawing = Image.new("RGB", (width * FINE, height * FINE), PAPER)
    draw_parts(drawing, stage)
    _draw_bones(drawing, stage)
    _draw_numbers(drawing, stage)
    title = wrap(file.description, width + PANEL, _font(17))
    head = GAP + 46 + 24 * len(title) + GAP // 2
    columns = max(1, (width + PANEL + GAP) // COLUMN)
    lines = -(-len(file.joints) // columns)
    below = max(height, _legend_height(stage))
    whole = Image.new(
        "RGB",
        ((width + PANEL + 3 * GAP) * FINE, (head + below + 2 * GAP + 24 * lines) * FINE),
        PAPER,
    )
    whole.paste(drawing, (GAP * FINE, head * FINE))
    pen = _Pen(ImageDraw.Draw(whole))
    pen.text(GAP, GAP, file.name, 32, INK)
    for line, words in enumerate(title):
        pen.text(GAP, GAP + 46 + 24 * line, words, 17, SOFT)
    _draw_legend(pen, stage, width + 2 * GAP, head)
    per_column = -(-len(file.joints) // columns)
    for number, joint in enumerate(file.joints):
        x = GAP + COLUMN * (number // per_column)
        y = head + below + GAP + 24 * (number % per_column)
        pen.text(x + 24, y, str(number), 14, SOFT, anchor="ra")
        seen = bool(stage.pose.visible[0, number])
        pen.text(x + 32, y, joint, 14, INK if seen else SOFT)
    small = whole.resize((whole.width // FINE, whole.height // FINE), Image.Resampling.LANCZOS)
    return np.array(small)


def set_stage(file: SkeletonFile) -> Stage:
    """Scale the typical pose so that it fills the stage, including its parts.

    Args:
        file: The skeleton; joints missing from its example pose are not visible.
    """
    skeleton = file.skeleton()
    if file.example:
        seen = np.array([joint in file.example for joint in skeleton.joints])
        places = np.array([file.example.get(joint, (0, 0)) for joint in skeleton.joints])
    else:
        places = lay_out(skeleton)
        seen = np.ones(len(places), dtype=bool)
    low, high = _extent(skeleton, places, seen)
    scale = (STAGE - 2 * FRAME) / max(*(high - low), 1e-9)
    width, height = np.ceil((high - low) * scale + 2 * FRAME).astype(int).tolist()
    joints = torch.tensor((places - low) * scale + FRAME, dtype=torch.float32)
    pose = Pose(joints[None], torch.tensor(seen)[None])
    return Stage(skeleton, pose, (height, width), _colours(skeleton))


def _extent(
    skeleton: Skeleton, places: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest (x, y) of the joints and the parts around them."""
    low, high = places[seen].min(axis=0), places[seen].max(axis=0)
    # On a coarse grid three times as large as the extent of the joints, which are in its centre.
    scale = 100 / max(*(high - low), 1e-9)
    joints = torch.tensor((places - low) * scale + 100, dtype=torch.float32)
    masks = part_masks(Pose(joints[None], torch.tensor(seen)[None]), skeleton, (300, 300))[0]
    limited = [part.region != "image" for part in skeleton.parts]
    rows, columns = masks[limited].any(dim=0).numpy().nonzero()
    if len(rows):
        found = (np.stack([columns, rows], axis=1) - 100) / scale + low
        low, high = np.minimum(low, found.min(axis=0)), np.maximum(high, found.max(axis=0))
    return low, high


def _colours(skeleton: Skeleton) -> list[Colour]:
    """Return a distinct hue per part; twins share one, the second in a darker shade."""
    pairs: dict[frozenset[str], int] = {}
    for part in skeleton.parts:
        pairs.setdefault(frozenset({part.name, part.twin or part.name}), len(pairs))
    colours, used = [], set()
    for part in skeleton.parts:
        pair = frozenset({part.name, part.twin or part.name})
        second = pair in used
        used.add(pair)
        hue = (0.58 + pairs[pair] / len(pairs)) % 1
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.95 if second else 0.8, 0.62 if second else 1)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours


def draw_parts(drawing: Image.Image, stage: Stage) -> None:
    """Draw the mask of every part in its colour, with an outline.

    Args:
        drawing: Blank image, `FINE` times as large as the stage.
        stage: The skeleton to draw.
    """
    masks = [
        _enlarge(mask) for mask in part_masks(stage.pose, stage.skeleton, stage.size)[0].numpy()
    ]
    for mask, part, colour in zip(masks, stage.skeleton.parts, stage.colours, strict=True):
        strength = WHOLE if part.region == "image" else TINT
        layer = Image.fromarray((mask * round(255 * strength)).astype(np.uint8))
        drawing.paste(colour, (0, 0), layer)
    for mask, colour in zip(masks, stage.colours, strict=True):
        inner = np.pad(mask, 2)  # so that masks cut off by the image edge are outlined there
        for down, across in ((4, 2), (0, 2), (2, 4), (2, 0)):
            inner[2:-2, 2:-2] &= np.pad(mask, 2)[
                down : down + mask.shape[0], across : across + mask.shape[1]
            ]
        rim = mask & ~inner[2:-2, 2:-2]
        drawing.paste(colour, (0, 0), Image.fromarray((rim * 200).astype(np.uint8)))


def _enlarge(mask: np.ndarray) -> np.ndarray:
    # Computing hulls at full size would take ten times as long; interpolation smooths the edges.
    image = Image.fromarray((mask * 255).astype(np.uint8))
    size = (image.width * FINE, image.height * FINE)
    return np.array(image.resize(size, Image.Resampling.BICUBIC)) > 127


def _draw_bones(drawing: Image.Image, stage: Stage) -> None:
    bones = [BONE] * len(stage.skeleton.limbs)
    draw_pose(
        drawing,
        stage.pose,
        FINE,
        stage.skeleton,
        bones=bones,
        rim=BONE,
        width=2 * FINE,
        radius=4.5 * FINE,
    )


def _draw_numbers(drawing: Image.Image, stage: Stage) -> None:
    draw = ImageDraw.Draw(drawing)
    places, seen = _fine_places(stage), stage.pose.visible[0].tolist()
    shown = [number for number, visible in enumerate(seen) if visible]
    for number, (left, top, right, bottom) in zip(shown, place_numbers(stage), strict=True):
        middle = ((left + right) / 2, (top + bottom) / 2)
        if math.dist(middle, places[number]) > FAR * FINE:
            draw.line([places[number], middle], SOFT, width=1)
            draw.circle(places[number], 4.5 * FINE, PAPER, BONE, width=2 * FINE)
        font, halo = _font(13 * FINE), 2 * FINE
        draw.text(middle, str(number), INK, font, anchor="mm", stroke_width=halo, stroke_fill=PAPER)


def place_numbers(stage: Stage) -> list[Box]:
    """Place the number of every visible joint, in the order of the joints.

    Each is close to its joint, without covering a joint or another number, nor a bone if possible.

    Args:
        stage: The skeleton to draw.

    Returns:
        Boxes in the enlarged drawing: left, top, right, bottom.
    """
    font = _font(13 * FINE)
    places, seen = _fine_places(stage), stage.pose.visible[0].tolist()
    shown = [number for number, visible in enumerate(seen) if visible]
    centres = np.array([places[number] for number in shown])
    taken = np.concatenate([centres - DISC * FINE, centres + DISC * FINE], axis=1)
    # Bones are sampled as points, to count how many a number covers.
    share = np.linspace(0, 1, 60)[:, None]
    bones = [
        np.array(places[start]) * (1 - share) + np.array(places[end]) * share
        for start, end in map(stage.skeleton.indices, stage.skeleton.limbs)
        if seen[start] and seen[end]
    ]
    dots = np.concatenate([np.zeros((0, 2)), *bones])
    limit = np.array([stage.size[1], stage.size[0]]) * FINE
    steps = [
        (1.15 * reach * math.cos(turn * math.pi / 8), reach * math.sin(turn * math.pi / 8))
        for reach, turn in product(REACHES, range(16))
    ]
    boxes = []
    for number, centre in zip(shown, centres, strict=True):
        left, top, right, bottom = font.getbbox(str(number), anchor="mm")
        half = np.array([right - left, bottom - top]) / 2 + 3
        middles = centre + FINE * np.array(steps)  # (choices, 2)
        low, high = middles - half, middles + half
        outside = ((low < 0) | (high > limit)).any(axis=1)
        sides = np.minimum(high[:, None], taken[:, 2:]) - np.maximum(low[:, None], taken[:, :2])
        covered = sides.clip(min=0).prod(axis=2).sum(axis=1)
        crossed = ((dots >= low[:, None]) & (dots <= high[:, None])).all(axis=2).sum(axis=1)
        cost = 1e6 * outside + 40 * covered + 12 * FINE * crossed + np.repeat(REACHES, 16)
        best = np.concatenate([low[cost.argmin()], high[cost.argmin()]])
        taken = np.concatenate([taken, best[None]])
        boxes.append(tuple(best.tolist()))
    return boxes


def _legend_height(stage: Stage) -> int:
    return 34 + 42 * len(stage.skeleton.parts) + 84


def _draw_legend(pen: "_Pen", stage: Stage, left: int, top: int) -> None:
    """Draw the list of parts: region, required joints, anchors and twins."""
    skeleton = stage.skeleton
    pen.text(left, top, f"{len(skeleton.parts)} parts", 18, INK)
    y = top + 34
    for part, colour in zip(skeleton.parts, stage.colours, strict=True):
        strong = tuple(round(255 + (channel - 255) * 0.6) for channel in colour)
        pen.box(left, y, 26, 26, strong, colour)
        pen.text(left + 38, y - 4, part.name, 16, INK)
        region = {"image": "whole image", "hull": f"hull, margin {part.margin:g}"}
        needs = len(part.joints) if part.region == "limb" else part.needs
        words = [region.get(part.region, part.region), f"{needs} of {len(part.joints)} joints"]
        words += [f"{len(part.anchors)} anchor{'s' * (len(part.anchors) > 1)}"] * bool(part.anchors)
        words += [f"twin of {part.twin}"] * (part.twin is not None)
        words += ["mandatory"] * part.mandatory
        pen.text(left + 38, y + 15, ", ".join(words), 13, SOFT)
        y += 42
    y += 10
    start, end = skeleton.unit[0]
    more = f" and {len(skeleton.unit) - 1} more" * (len(skeleton.unit) > 1)
    notes = [
        f"unit: {start} to {end}{more}",
        f"limbs are {skeleton.limb_width:g} units wide",
        f"{len(skeleton.limbs)} bones; {len(skeleton.mirrored)} pairs swap when mirrored",
    ]
    for line, note in enumerate(notes):
        pen.text(left, y + 20 * line, note, 13, SOFT)


class _Pen:
    """Draws on the enlarged picture, in coordinates of the final one."""

    def __init__(self, draw: ImageDraw.ImageDraw):
        self._draw = draw

    def text(
        self, x: int, y: int, words: str, size: int, colour: Colour, anchor: str = "la"
    ) -> None:
        self._draw.text((x * FINE, y * FINE), words, colour, _font(size * FINE), anchor=anchor)

    def box(
        self, x: int, y: int, width: int, height: int, fill: Sequence[int], line: Colour
    ) -> None:
        corners = (x * FINE, y * FINE, (x + width) * FINE, (y + height) * FINE)
        self._draw.rounded_rectangle(corners, 5 * FINE, tuple(fill), line, 2 * FINE)


def _fine_places(stage: Stage) -> list[tuple[float, float]]:
    return zoomed(stage.pose.joints[0], FINE)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
