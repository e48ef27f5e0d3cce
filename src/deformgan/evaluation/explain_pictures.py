"""draw_explanation: figures of every step of the method for one photo and target pose."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from deformgan.evaluation.explain import Explanation, describe_parts, skip_maps
from deformgan.evaluation.pair_diagnosis import describe_pair
from deformgan.models.layers import Layers, resize, sample_at
from deformgan.parts import part_corners, unit_length
from deformgan.pixels import to_photo
from deformgan.pose import Pose, Skeleton

LARGE = 512  # approximate height of a single picture; small ones have half of it
GAP, LINE = 8, 19
PAPER, INK, FAINT = (255, 255, 255), (40, 40, 40), (120, 120, 120)
NIGHT = (28, 28, 34)
TITLE, PITCH = 18, 23  # font size and line height
MARGIN = 140  # width of the labels beside a picture
TRANSLUCENT = 90  # alpha, of 255
RULED = 8  # pixels between grid lines
FULL = 8.0  # correction in pixels that is drawn in full colour
CHECKS = ((236, 236, 236), (216, 216, 216))  # chequerboard for transparent pixels

# Dark to bright, as in common sequential colour maps.
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))

# Short captions for origins other than "own".
SHORT = {
    "twin": "from its twin",
    "not_asked": "not in the pose",
    "not_seen": "not in the photo",
    "no_common": "no common joint",
    "flat": "joints on a line",
}

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
Cell = tuple[Image.Image, Sequence[str]]


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
    canvas = lay_over(canvas, polygons, zoom)
    named, centres = [], []
    colours = part_colours(len(polygons))
    for part, polygon, colour in zip(skeleton.parts, polygons, colours, strict=True):
        if polygon is not None:
            named.append((_words(part.name), colour))
            centres.append(_zoomed(polygon.mean(dim=0, keepdim=True), zoom)[0])
    missing = [
        _words(part.name)
        for part, polygon in zip(skeleton.parts, polygons, strict=True)
        if polygon is None
    ]
    picture = _name_beside(canvas, named, centres)
    if missing:
        picture = _write_below(picture, [f"not visible: {', '.join(missing)}"])
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
        draw_bones(tile, explanation.target_pose, zoom, skeleton, FAINT)
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
            picture = to_image(heat_colours((values / most).sqrt()))
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
        draw_bones(tile, pose, zoom, explanation.skeleton, INK)
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
    first = _titled(
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
    second = _titled(
        {
            "4. Every part has its own affine transform, fitted to its joints. Above: the region "
            "read from the photo. Below: the warped photo, cut out by the part's mask in the "
            "target.": above([grid(reads, count), grid([(tile, []) for tile, _ in moved], count)])
        }
    )
    levels = len(explanation.guide.transforms)
    blended = ", blended with the warped photo" if explanation.blend else ""
    third = _titled(
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
        rows.append(_layers_row(pictures, round(explanation.size[0] * large * 0.75)))
    sheet = above(rows, 3 * GAP)
    said = describe_pair(explanation.diagnosis, 0, explanation.skeleton)
    return _pad(_write_below(sheet, [f"This pair: {said}"], TITLE - 2), 2 * GAP)


def draw_layers(layers: Layers, photo: Float[Tensor, "1 3 height width"]) -> dict[str, Image.Image]:
    """Draw the layers of a picture, and the field through which the photo is copied.

    Args:
        layers: Layers of one picture.
        photo: The source photo at the network's size.
    """
    fields, size = layers.fields, (photo.shape[2], photo.shape[3])
    person = layers.visible * layers.copy + (1 - layers.visible) * layers.paint
    shown = torch.sigmoid(fields.matte)
    # Large enough for thin lines; dimmed outside of the person.
    large = (4 * size[0], 4 * size[1])
    chart, light = ruled(photo, large), resize(0.2 + 0.8 * shown, large)
    correction = fields.source_from_target - fields.base
    planes = {
        "field_base": light * sample_at(chart, resize(fields.base, large), size),
        "field": light * sample_at(chart, resize(fields.source_from_target, large), size),
        "correction": flow_colours(correction * shown, FULL)[None],
        "source_matte": torch.sigmoid(fields.source_matte).expand(-1, 3, -1, -1),
        "copy": (layers.copy + 1) / 2,
        "visible": layers.visible.expand(-1, 3, -1, -1),
        "paint": (layers.paint + 1) / 2,
        "person": torch.lerp(_checks(person), (person + 1) / 2, layers.matte),
        "matte": layers.matte.expand(-1, 3, -1, -1),
        "scene": (layers.scene + 1) / 2,
    }
    return {name: enlarge_to(plane[0], LARGE) for name, plane in planes.items()}


def _layers_row(pictures: dict[str, Image.Image], height: int) -> Image.Image:
    """Arrange the layers in reading order, in two rows."""
    lines = (
        {
            "field_base": "7. The sampling field: the photo's grid, warped by the transforms.",
            "field": "8. The same field, corrected by a network.",
            "correction": f"9. The correction; full colour is {FULL:.0f} pixels.",
            "source_matte": "10. The matte of the photo's person; only the person is copied.",
            "copy": "11. The copy: the photo, sampled through the field.",
            "visible": "12. The weight of the copy.",
        },
        {
            "paint": "13. The paint, for the rest of the person.",
            "person": "14. The person: copy and paint.",
            "matte": "15. The matte: the opacity of the person.",
            "scene": "16. The painted scene.",
            "result": "17. The result: the person in front of the scene.",
        },
    )
    return above(
        [
            _titled({title: _of_height(pictures[name], height) for name, title in line.items()})
            for line in lines
        ],
        3 * GAP,
    )


def ruled(
    photo: Float[Tensor, "1 3 height width"], size: tuple[int, int]
) -> Float[Tensor, "1 3 rows columns"]:
    """Draw a grid of bright lines over an enlarged and darkened photo, in [0, 1].

    Args:
        photo: RGB in [-1, 1].
        size: Height and width of the picture. Lines are `RULED` pixels of the photo apart, and
            their colour encodes the position in the photo.
    """
    apart = RULED * size[0] // photo.shape[2]
    photo = resize(photo, size)
    y, x = (torch.arange(length, device=photo.device) for length in size)
    line = (x % apart < apart // 8) | (y[:, None] % apart < apart // 8)
    hue = torch.stack(torch.broadcast_tensors(x / len(x), 1 - y[:, None] / len(y)))
    colour = torch.cat([hue, torch.full_like(hue[:1], 0.5)])[None]
    return torch.where(line, 0.35 + 0.65 * colour, (photo + 1) / 2 * 0.75)


def flow_colours(
    flow: Float[Tensor, "1 2 height width"], full: float
) -> Float[Tensor, "3 height width"]:
    """Convert offsets to colours: hue encodes the direction, saturation the length.

    Args:
        flow: Offsets (x, y).
        full: Length of full saturation; longer offsets are clipped.
    """
    x, y = flow[0]
    turn = torch.atan2(y, x) / (2 * math.pi)
    strength = (flow[0].square().sum(dim=0).sqrt() / full).clamp(max=1)
    # Hues from three cosines, a third of a turn apart.
    thirds = torch.arange(3, device=flow.device)[:, None, None] / 3
    colour = 0.5 + 0.5 * torch.cos(2 * math.pi * (turn - thirds))
    return 1 - strength * (1 - colour)


def enlarge_to(picture: Float[Tensor, "3 height width"], rows: int) -> Image.Image:
    """Convert values in [0, 1] to a picture of about `rows` rows, by integer magnification."""
    return enlarge(picture, max(1, round(rows / picture.shape[1])))


def _checks(like: Tensor) -> Tensor:
    """Return a chequerboard for transparency, in [0, 1]."""
    square = max(1, like.shape[2] // 32)
    y, x = (torch.arange(length, device=like.device) // square for length in like.shape[2:])
    light, dark = (like.new_tensor(colour)[:, None, None] / 255 for colour in CHECKS)
    return torch.where(((x + y[:, None]) % 2 == 0), light, dark)[None]


def _of_height(picture: Image.Image, height: int) -> Image.Image:
    """Resize a picture to a height, keeping its aspect ratio."""
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


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
        else:
            outlines.append(
                joints if part.region == "image" else joints.mean(dim=0, keepdim=True) + square
            )
    return outlines


def part_colours(count: int) -> list[tuple[int, int, int]]:
    """Return distinct colours around the colour wheel, with neighbours far apart."""
    step = next(s for s in range(max(1, round(0.38 * count)), count + 2) if math.gcd(s, count) == 1)
    hues = [(place * step % count) / count for place in range(count)]
    wheel = [colorsys.hsv_to_rgb(hue, 0.75, 1.0) for hue in hues]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]


def heat_colours(values: Float[Tensor, "height width"]) -> Float[Tensor, "3 height width"]:
    """Map intensities in [0, 1] to colours from black over violet and orange to pale yellow."""
    stops = torch.tensor(HEAT) / 255
    place = values.clamp(0, 1) * (len(stops) - 1)
    low = place.floor().long().clamp(max=len(stops) - 2)
    colours = torch.lerp(stops[low], stops[low + 1], (place - low)[..., None])
    return colours.movedim(-1, 0)


def lay_over(picture: Image.Image, polygons: Sequence[Tensor | None], zoom: int) -> Image.Image:
    """Draw translucent, outlined polygons over an enlarged picture."""
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    for polygon, colour in zip(polygons, part_colours(len(polygons)), strict=True):
        if polygon is None:
            continue
        one = Image.new("RGBA", picture.size)
        places = _zoomed(polygon, zoom)
        ImageDraw.Draw(one).polygon(places, fill=(*colour, TRANSLUCENT))
        layer.alpha_composite(one)
        draw.line([*places, places[0]], (*colour, 255), width=max(1, zoom // 2), joint="curve")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def draw_bones(
    picture: Image.Image,
    pose: Pose,
    zoom: int,
    skeleton: Skeleton,
    colour: tuple[int, int, int] = (230, 230, 230),
) -> None:
    """Draw the bones and joints of one pose onto an enlarged picture."""
    draw = ImageDraw.Draw(picture)
    places, seen = _zoomed(pose.joints[0], zoom), pose.visible[0].tolist()
    for bone in skeleton.limbs:
        start, end = skeleton.indices(bone)
        if seen[start] and seen[end]:
            draw.line([places[start], places[end]], colour, width=max(1, zoom // 2))
    for place, visible in zip(places, seen, strict=True):
        if visible:
            draw.circle(place, max(1, zoom * 0.6), colour)


def to_image(picture: Float[Tensor, "3 height width"]) -> Image.Image:
    """Convert values in [0, 1] to a picture."""
    return Image.fromarray(np.ascontiguousarray(to_photo(2 * picture - 1)))


def enlarge(
    picture: Float[Tensor, "3 height width"],
    zoom: int,
    how: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Convert values in [0, 1] to a picture, `zoom` times as large."""
    image = to_image(picture)
    return image.resize((image.width * zoom, image.height * zoom), how)


def grid(cells: Sequence[Cell], columns: int) -> Image.Image:
    """Arrange pictures in rows, each under its lines of text."""
    lines = max(len(text) for _, text in cells)
    strips = []
    for first in range(0, len(cells), columns):
        tiles = []
        for picture, text in cells[first : first + columns]:
            tile = Image.new("RGB", (picture.width, picture.height + lines * LINE), PAPER)
            tile.paste(picture, (0, lines * LINE))
            for line, words in enumerate(text):
                ink = INK if line == 0 else FAINT
                place = (picture.width / 2, (line + 0.5) * LINE)
                font = _fitting(words, picture.width + GAP)
                ImageDraw.Draw(tile).text(place, words, ink, font, anchor="mm")
            tiles.append(tile)
        strips.append(beside(tiles))
    return above(strips)


def beside(pictures: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Join pictures from left to right."""
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    joined = Image.new("RGB", (width, max(picture.height for picture in pictures)), PAPER)
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width + gap
    return joined


def above(pictures: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Join pictures from top to bottom."""
    height = sum(picture.height for picture in pictures) + gap * (len(pictures) - 1)
    joined = Image.new("RGB", (max(picture.width for picture in pictures), height), PAPER)
    top = 0
    for picture in pictures:
        joined.paste(picture, (0, top))
        top += picture.height + gap
    return joined


def _photo(explanation: Explanation, zoom: int) -> Image.Image:
    return enlarge((explanation.source.image[0] + 1) / 2, zoom)


def _bones(explanation: Explanation, zoom: int) -> Image.Image:
    rows, columns = explanation.size
    canvas = Image.new("RGB", (columns * zoom, rows * zoom), NIGHT)
    draw_bones(canvas, explanation.target_pose, zoom, explanation.skeleton)
    return canvas


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
        picture = lay_over(canvas, polygons, zoom)
        # Mark the first corner, which distinguishes a rotation from a reflection.
        corner = _zoomed(outline[:1], zoom)[0]
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
        draw_bones(tile, explanation.target_pose, zoom, explanation.skeleton, FAINT)
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


def _name_beside(
    picture: Image.Image,
    named: Sequence[tuple[str, tuple[int, int, int]]],
    centres: Sequence[tuple[float, float]],
) -> Image.Image:
    """Write labels on both sides of a picture, with lines to their places."""
    wide = Image.new("RGB", (picture.width + 2 * MARGIN, picture.height), PAPER)
    wide.paste(picture, (MARGIN, 0))
    draw, font = ImageDraw.Draw(wide), ImageFont.load_default(TITLE - 3)
    by_column = sorted(range(len(named)), key=lambda one: centres[one][0])
    half = len(by_column) // 2
    for side, group in (("left", by_column[:half]), ("right", by_column[half:])):
        group.sort(key=lambda one: centres[one][1])
        heights = _spread([centres[one][1] for one in group], LINE + 3, picture.height)
        for one, height in zip(group, heights, strict=True):
            (words, colour), (x, y) = named[one], centres[one]
            if side == "left":
                end, edge, anchor = MARGIN - GAP, MARGIN - 4, "rm"
            else:
                end, edge = MARGIN + picture.width + GAP, MARGIN + picture.width + 4
                anchor = "lm"
            line = [(edge, height), (x + MARGIN, y)]
            draw.line(line, INK, width=3)
            draw.line(line, colour, width=1)
            draw.circle((x + MARGIN, y), 4, colour, outline=INK)
            draw.text((end, height), words, INK, font, anchor=anchor)
    return wide


def _spread(wanted: Sequence[float], apart: int, height: int) -> list[float]:
    """Move ascending positions so that they are `apart` pixels apart and stay within `height`."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + apart if places else apart / 2))
    limit = height - apart / 2
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - apart
    return places


def _titled(pictures: dict[str, Image.Image]) -> Image.Image:
    """Join pictures from left to right, each under its title, aligned at the top."""
    font = ImageFont.load_default(TITLE)
    wrapped = [_wrap(title, picture.width, font) for title, picture in pictures.items()]
    top = max(map(len, wrapped)) * PITCH + GAP
    tiles = []
    for lines, picture in zip(wrapped, pictures.values(), strict=True):
        tile = Image.new("RGB", (picture.width, picture.height + top), PAPER)
        draw = ImageDraw.Draw(tile)
        for number, line in enumerate(lines):
            draw.text((0, number * PITCH), line, INK, font)
        tile.paste(picture, (0, top))
        tiles.append(tile)
    return beside(tiles, 3 * GAP)


def _write_below(picture: Image.Image, text: Sequence[str], size: int = TITLE - 3) -> Image.Image:
    font = ImageFont.load_default(size)
    lines = [line for sentence in text for line in _wrap(sentence, picture.width, font)]
    tile = Image.new("RGB", (picture.width, picture.height + len(lines) * PITCH + 2 * GAP), PAPER)
    tile.paste(picture, (0, 0))
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        draw.text((0, picture.height + GAP + number * PITCH), line, INK, font)
    return tile


def _wrap(text: str, width: int, font: Font) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(words: str, width: int) -> Font:
    """Return the largest font, up to the default size, in which a line fits the width."""
    sizes = range(TITLE - 3, 8, -1)
    fonts = (ImageFont.load_default(size) for size in sizes)
    return next((f for f in fonts if f.getlength(words) <= width), ImageFont.load_default(9))


def _pad(picture: Image.Image, border: int) -> Image.Image:
    padded = Image.new("RGB", (picture.width + 2 * border, picture.height + 2 * border), PAPER)
    padded.paste(picture, (border, border))
    return padded


def _zoomed(points: Float[Tensor, "points 2"], zoom: int) -> list[tuple[float, float]]:
    """Convert pixel coordinates of an image to those of the enlarged image."""
    return [((x + 0.5) * zoom - 0.5, (y + 0.5) * zoom - 0.5) for x, y in points.tolist()]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _columns(count: int) -> int:
    return count if count <= 6 else (count + 1) // 2
