"""draw_explanation: figures of every step of the method for one photo and target pose."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from deformgan.draw.colours import (
    CHECKS,
    FAINT,
    INK,
    NIGHT,
    PAPER,
    Colour,
    heat_colours,
    part_colours,
)
from deformgan.draw.pictures import enlarge, to_picture
from deformgan.draw.poses import draw_outlines, draw_pose, part_outlines, zoomed
from deformgan.draw.sheets import (
    GAP,
    TITLE,
    Cell,
    above,
    beside,
    grid,
    name_beside,
    pad,
    titled,
    write_below,
)
from deformgan.evaluation.explain import Explanation, describe_parts, skip_maps
from deformgan.evaluation.explain_layers import arrange_layers, draw_layers
from deformgan.evaluation.pair_diagnosis import describe_pair
from deformgan.pixels import to_photo
from deformgan.pose import Pose, Skeleton

LARGE = 512  # approximate height of a single picture; small ones have half of it
BRIGHT = (230, 230, 230)

# Short captions for origins other than "own".
SHORT = {
    "twin": "from its twin",
    "not_asked": "not in the pose",
    "not_seen": "not in the photo",
    "no_common": "no common joint",
    "flat": "joints on a line",
}


def draw_explanation(explanation: Explanation) -> dict[str, Image.Image]:
    """Draw every step of the method; return pictures by name, with all on one sheet as `explain`.

    Args:
        explanation: Intermediate results of the generator.
    """
    rows, columns = explanation.size
    large = max(1, round(LARGE / rows))
    small = max(1, large // 2)
    pictures = {
        "parts_source": draw_parts(explanation, "source", large),
        "parts_target": draw_parts(explanation, "target", large),
        "masks": draw_masks(explanation, small),
        "transforms": draw_transforms(explanation, small),
        "warped_parts": draw_warped_parts(explanation, small),
        "warped": enlarge(explanation.warped, large),
        "skips": draw_skips(explanation, (rows * small, columns * small)),
        "heatmaps": draw_heatmaps(explanation, large),
        "result": Image.fromarray(to_photo(explanation.result[0])),
    }
    if explanation.layers is not None:
        pictures |= draw_layers(explanation.layers, explanation.source.image)
    return pictures | {"explain": draw_sheet(explanation, pictures, large, small)}


def draw_parts(explanation: Explanation, whose: str, zoom: int) -> Image.Image:
    """Draw labelled outlines of all parts over the photo or over the bones of the target pose.

    Args:
        explanation: Intermediate results of the generator.
        whose: "source" or "target".
        zoom: Integer magnification.
    """
    skeleton = explanation.skeleton
    if whose == "source":
        pose, canvas = explanation.source.pose, _photo(explanation, zoom)
    else:
        pose, canvas = explanation.target_pose, _bones(explanation, zoom)
    polygons = part_outlines(pose, skeleton)
    canvas = draw_outlines(canvas, polygons, zoom)
    named, centres = [], []
    colours = part_colours(len(polygons))
    for part, polygon, colour in zip(skeleton.parts, polygons, colours, strict=True):
        if polygon is not None:
            named.append((_words(part.name), colour))
            centres.append(zoomed(polygon.mean(dim=0, keepdim=True), zoom)[0])
    missing = [
        _words(part.name)
        for part, polygon in zip(skeleton.parts, polygons, strict=True)
        if polygon is None
    ]
    picture = name_beside(canvas, named, centres)
    if missing:
        picture = write_below(picture, [f"not visible: {', '.join(missing)}"])
    return picture


def draw_masks(explanation: Explanation, zoom: int) -> Image.Image:
    """Draw the target mask of each part, captioned with the fraction of the image it covers."""
    skeleton, cells = explanation.skeleton, []
    colours = part_colours(len(skeleton.parts))
    for place, (part, origin) in enumerate(zip(skeleton.parts, explanation.origins, strict=True)):
        mask = explanation.guide.masks[0][0, place]
        colour = torch.tensor(colours[place])[:, None, None] / 255
        night = torch.tensor(NIGHT)[:, None, None] / 255
        tile = enlarge(torch.where(mask, colour, night), zoom, Image.Resampling.NEAREST)
        _draw_target(tile, explanation, zoom, FAINT)
        share = f"{100 * mask.double().mean().item():.1f} % of the image"
        note = share if origin in ("own", "twin") else SHORT[origin]
        cells.append((tile, [_words(part.name), note]))
    return grid(cells, _columns(len(cells)))


def draw_transforms(explanation: Explanation, zoom: int) -> Image.Image:
    """Draw for each part the region that is read from the photo and its place in the target."""
    skeleton, cells = explanation.skeleton, []
    described = describe_parts(explanation)
    for place, part in enumerate(skeleton.parts):
        seen_from, put_to = _moved_part(explanation, place, zoom)
        note = SHORT.get(described[place]["origin"], "")
        if described[place]["source_from_target"] is not None:
            note = ", ".join(filter(None, [_motion(described[place]), note]))
        both = beside([seen_from, put_to])
        cells.append((both, [_words(part.name), note]))
    return grid(cells, _columns(len(cells)))


def draw_warped_parts(explanation: Explanation, zoom: int) -> Image.Image:
    """Draw the photo warped by each part's transform and cut out by the part's mask."""
    return grid(_warped_cells(explanation, zoom), _columns(len(explanation.skeleton.parts)))


def draw_skips(explanation: Explanation, size: tuple[int, int]) -> Image.Image:
    """Draw the activation of each skip before and after warping, on one scale per level.

    Colours show its square root. A warped skip is about half as bright because it loses negative
    values: a masked-out part counts as 0.

    Args:
        explanation: Intermediate results of the generator.
        size: Height and width of each enlarged map.
    """
    cells: list[list[Cell]] = [[], []]
    for level, (before, after) in enumerate(skip_maps(explanation)):
        most = max(before.max().item(), after.max().item()) or 1.0
        moved = level < len(explanation.guide.transforms)
        height, width = before.shape
        heads = (f"level {level}: {height}x{width}", "deformed" if moved else "not deformed")
        for line, values, head in zip(cells, (before, after), heads, strict=True):
            picture = to_picture(heat_colours((values / most).sqrt()))
            line.append((picture.resize(size[::-1], Image.Resampling.NEAREST), [head]))
    return above([grid(line, len(line)) for line in cells])


def draw_heatmaps(explanation: Explanation, zoom: int) -> Image.Image:
    """Draw the heatmaps of both poses, each joint in its own colour, under the bones."""
    cells = []
    for pose, maps, title in (
        (explanation.source.pose, explanation.guide.source_heatmaps, "source"),
        (explanation.target_pose, explanation.guide.target_heatmaps, "target"),
    ):
        colours = torch.tensor(part_colours(maps.shape[1])) / 255  # (joints, 3)
        picture = (maps[0][:, None] * colours[:, :, None, None]).amax(dim=0)
        tile = enlarge(picture, zoom)
        _draw_bones(tile, pose, zoom, explanation.skeleton, INK)
        cells.append((tile, [title]))
    return grid(cells, 2)


def draw_sheet(
    explanation: Explanation, pictures: dict[str, Image.Image], large: int, small: int
) -> Image.Image:
    """Arrange the steps in reading order, each under a sentence.

    Args:
        explanation: Intermediate results of the generator.
        pictures: Pictures of `draw_explanation` by name.
        large: Magnification of the main pictures.
        small: Magnification of the parts.
    """
    count = len(explanation.skeleton.parts)
    first = titled(
        {
            f"1. The photo. Its pose defines {count} parts.": pictures["parts_source"],
            "2. The target pose with its parts.": pictures["parts_target"],
            "3. Heatmaps of both poses, the input of the encoders.": draw_heatmaps(
                explanation, max(1, round(large * 0.75))
            ),
        }
    )
    moved = _warped_cells(explanation, small)
    described = describe_parts(explanation)
    reads = []
    for place in range(count):
        note = SHORT.get(explanation.origins[place]) or _motion(described[place])
        reads.append((_moved_part(explanation, place, small)[0], [moved[place][1][0], note]))
    second = titled(
        {
            "4. Every part has its own affine transform, fitted to its joints. Above: the region "
            "read from the photo. Below: the warped photo, cut out by the part's mask in the "
            "target.": above([grid(reads, count), grid([(tile, []) for tile, _ in moved], count)])
        }
    )
    levels = len(explanation.guide.transforms)
    blended = ", blended with the warped photo" if explanation.blend else ""
    third = titled(
        {
            "5. All parts together; the strongest value wins where they overlap.": pictures[
                "warped"
            ],
            f"6. The same for features of the photo, at the first {levels} levels: mean activation "
            "in the encoder (above) and as input of the decoder (below), where only positive "
            "values remain.": pictures["skips"],
        }
        | (
            {}
            if explanation.layers is not None
            else {
                f"7. The result: decoded from warped features and the pose{blended}.": enlarge(
                    (explanation.result[0] + 1) / 2, large
                )
            }
        )
    )
    rows = [first, second, third]
    if explanation.layers is not None:
        rows.append(arrange_layers(pictures, round(explanation.size[0] * large * 0.75)))
    sheet = above(rows, 3 * GAP)
    said = describe_pair(explanation.diagnosis, 0, explanation.skeleton)
    return pad(write_below(sheet, [f"This pair: {said}"], TITLE - 2), 2 * GAP)


def _photo(explanation: Explanation, zoom: int) -> Image.Image:
    return enlarge((explanation.source.image[0] + 1) / 2, zoom)


def _bones(explanation: Explanation, zoom: int) -> Image.Image:
    rows, columns = explanation.size
    canvas = Image.new("RGB", (columns * zoom, rows * zoom), NIGHT)
    _draw_target(canvas, explanation, zoom, BRIGHT)
    return canvas


def _draw_target(picture: Image.Image, explanation: Explanation, zoom: int, ink: Colour) -> None:
    _draw_bones(picture, explanation.target_pose, zoom, explanation.skeleton, ink)


def _draw_bones(
    picture: Image.Image, pose: Pose, zoom: int, skeleton: Skeleton, ink: Colour
) -> None:
    """Draw a pose in one colour and with thin lines, since other things matter more."""
    draw_pose(
        picture,
        pose,
        zoom,
        skeleton,
        bones=[ink] * len(skeleton.limbs),
        joints=ink,
        width=max(1, zoom // 2),
        radius=max(1, zoom * 0.6),
    )


def _moved_part(explanation: Explanation, place: int, zoom: int) -> tuple[Image.Image, Image.Image]:
    """Draw one part: the region read from the photo, and its place in the target, if any.

    The outline in the photo is the target's outline under the transform: the region that is read.
    """
    skeleton = explanation.skeleton
    put = part_outlines(explanation.target_pose, skeleton)[place]
    read = None
    if put is not None and explanation.origins[place] in ("own", "twin"):
        transform = explanation.source_from_target[place].to(put.dtype)
        read = put @ transform[:, :2].T + transform[:, 2]
    pictures = []
    for canvas, outline in ((_photo(explanation, zoom), read), (_bones(explanation, zoom), put)):
        if outline is None:
            pictures.append(canvas)
            continue
        polygons: list[Tensor | None] = [None] * len(skeleton.parts)
        polygons[place] = outline
        picture = draw_outlines(canvas, polygons, zoom)
        # Mark the first corner, which distinguishes a rotation from a reflection.
        corner = zoomed(outline[:1], zoom)[0]
        ImageDraw.Draw(picture).circle(corner, 1.5 * zoom, PAPER, outline=INK)
        pictures.append(picture)
    return pictures[0], pictures[1]


def _warped_cells(explanation: Explanation, zoom: int) -> list[Cell]:
    rows, columns = explanation.size
    squares = (np.indices((rows * zoom, columns * zoom)) // (4 * zoom)).sum(axis=0) % 2
    blank = Image.fromarray(np.array(CHECKS, np.uint8)[squares])
    cells = []
    for place, part in enumerate(explanation.skeleton.parts):
        mask = explanation.guide.masks[0][0, place]
        tile = blank.copy()
        _draw_target(tile, explanation, zoom, FAINT)
        cut = Image.fromarray(mask.to(torch.uint8).mul(255).numpy())
        cut = cut.resize(tile.size, Image.Resampling.NEAREST)
        tile.paste(enlarge(explanation.warped_parts[place], zoom), (0, 0), cut)
        note = SHORT.get(explanation.origins[place], "")
        cells.append((tile, [_words(part.name), note]))
    return cells


def _motion(described: dict) -> str:
    if described["source_from_target"] is None:
        return ""
    turn = "mirrored" if described["mirrored"] else f"{described['rotation']:+.0f}\N{DEGREE SIGN}"
    return f"{turn}, x {described['scale']:.2f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _columns(count: int) -> int:
    return count if count <= 6 else (count + 1) // 2
