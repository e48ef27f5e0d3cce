"""Sheets: pictures in rows and columns, with their labels."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from deformgan.draw.colours import FAINT, INK, PAPER, Colour

GAP = 8  # pixels between pictures
LINE, LABEL = 19, 15  # line height and font size of labels
PITCH, TITLE = 23, 18  # the same of titles
SIDE = 140  # width of the labels beside a picture
BORDER, HEADER = 6, 26  # around every picture of a contact sheet, and height of its titles

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
Cell = tuple[Image.Image, Sequence[str]]


def contact_sheet(
    titles: Sequence[str], rows: Sequence[Sequence[Image.Image]], strips: int = 1
) -> Image.Image:
    """Arrange pictures in a table with column titles.

    Args:
        titles: Title of every column.
        rows: Pictures of every row, one per column.
        strips: Number of rows placed side by side, under their own titles.
    """
    widths = [max(picture.width for picture in column) for column in zip(*rows, strict=True)]
    heads = []
    for title, width in zip(titles, widths, strict=True):
        head = Image.new("RGB", (width + 2 * BORDER, HEADER), PAPER)
        place = (head.width / 2, HEADER / 2 + 3)
        font = ImageFont.load_default(TITLE - 2)
        ImageDraw.Draw(head).text(place, title, INK, font, anchor="mm")
        heads.append(head)
    lines = [
        beside(
            [
                pad(label(picture, [], width), BORDER)
                for picture, width in zip(row, widths, strict=True)
            ],
            0,
        )
        for row in rows
    ]
    lines = [pad(line, BORDER, 0) for line in [beside(heads, 0)] * strips + lines]
    return tile(lines, strips, 0)


def join(rows: Sequence[Sequence[Image.Image]], gap: int = GAP) -> Image.Image:
    """Join pictures to rows, and the rows from top to bottom."""
    return above([beside(row, gap) for row in rows], gap)


def tile(pictures: Sequence[Image.Image], columns: int, gap: int = GAP) -> Image.Image:
    """Join pictures to rows of several columns."""
    starts = range(0, len(pictures), columns)
    return join([pictures[start : start + columns] for start in starts], gap)


def grid(cells: Sequence[Cell], columns: int) -> Image.Image:
    """Arrange pictures in rows, each under its lines of text."""
    lines = max(len(text) for _, text in cells)
    labelled = [label(picture, [*text, *[""] * (lines - len(text))]) for picture, text in cells]
    return tile(labelled, columns)


def label(
    picture: Image.Image, text: Sequence[str], width: int | None = None, below: bool = False
) -> Image.Image:
    """Write centred lines above or below a picture, the first in darker ink.

    Args:
        picture: The picture.
        text: One string per line.
        width: Width of the result, at least that of the picture; None to shrink the font of long
            lines to the picture's width.
        below: Whether to write below the picture.
    """
    wide = max(picture.width, width or 0)
    tile = Image.new("RGB", (wide, picture.height + len(text) * LINE), PAPER)
    tile.paste(picture, ((wide - picture.width) // 2, 0 if below else len(text) * LINE))
    top = picture.height if below else 0
    for line, words in enumerate(text):
        font = _fitting(words, wide + GAP) if width is None else ImageFont.load_default(LABEL)
        place = (wide / 2, top + (line + 0.5) * LINE)
        ImageDraw.Draw(tile).text(place, words, FAINT if line else INK, font, anchor="mm")
    return tile


def label_width(text: Sequence[str]) -> int:
    """Return the width of the longest line of a label."""
    return math.ceil(max(map(ImageFont.load_default(LABEL).getlength, text), default=0))


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


def titled(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Join pictures from left to right, each under its title, aligned at the top."""
    font = ImageFont.load_default(TITLE)
    wrapped = [wrap(title, picture.width, font) for title, picture in pictures.items()]
    top = max(map(len, wrapped)) * PITCH + GAP
    tiles = []
    for lines, picture in zip(wrapped, pictures.values(), strict=True):
        wide = max(picture.width, *(math.ceil(font.getlength(line)) for line in lines))
        tile = Image.new("RGB", (wide, picture.height + top), PAPER)
        draw = ImageDraw.Draw(tile)
        for number, line in enumerate(lines):
            draw.text((0, number * PITCH), line, INK, font)
        tile.paste(picture, (0, top))
        tiles.append(tile)
    return beside(tiles, 3 * GAP)


def write_below(picture: Image.Image, text: Sequence[str], size: int = LABEL) -> Image.Image:
    """Write sentences below a picture, wrapped to its width."""
    font = ImageFont.load_default(size)
    lines = [line for sentence in text for line in wrap(sentence, picture.width, font)]
    tile = Image.new("RGB", (picture.width, picture.height + len(lines) * PITCH + 2 * GAP), PAPER)
    tile.paste(picture, (0, 0))
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        draw.text((0, picture.height + GAP + number * PITCH), line, INK, font)
    return tile


def name_beside(
    picture: Image.Image,
    named: Sequence[tuple[str, Colour]],
    centres: Sequence[tuple[float, float]],
) -> Image.Image:
    """Write labels on both sides of a picture, with lines to their places."""
    wide = Image.new("RGB", (picture.width + 2 * SIDE, picture.height), PAPER)
    wide.paste(picture, (SIDE, 0))
    draw, font = ImageDraw.Draw(wide), ImageFont.load_default(LABEL)
    by_column = sorted(range(len(named)), key=lambda one: centres[one][0])
    half = len(by_column) // 2
    for side, group in (("left", by_column[:half]), ("right", by_column[half:])):
        group.sort(key=lambda one: centres[one][1])
        heights = spread([centres[one][1] for one in group], LINE + 3, picture.height)
        for one, height in zip(group, heights, strict=True):
            (words, colour), (x, y) = named[one], centres[one]
            if side == "left":
                end, edge, anchor = SIDE - GAP, SIDE - 4, "rm"
            else:
                end, edge = SIDE + picture.width + GAP, SIDE + picture.width + 4
                anchor = "lm"
            line = [(edge, height), (x + SIDE, y)]
            draw.line(line, INK, width=3)
            draw.line(line, colour, width=1)
            draw.circle((x + SIDE, y), 4, colour, outline=INK)
            draw.text((end, height), words, INK, font, anchor=anchor)
    return wide


def spread(wanted: Sequence[float], apart: int, height: int) -> list[float]:
    """Move ascending positions so that they are `apart` pixels apart and stay within `height`."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + apart if places else apart / 2))
    limit = height - apart / 2
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - apart
    return places


def pad(picture: Image.Image, across: int, down: int | None = None) -> Image.Image:
    """Add margins to a picture: left and right, and above and below (the same by default)."""
    down = across if down is None else down
    padded = Image.new("RGB", (picture.width + 2 * across, picture.height + 2 * down), PAPER)
    padded.paste(picture, (across, down))
    return padded


def wrap(text: str, width: int, font: Font) -> list[str]:
    """Break a text into lines of at most `width` pixels, unless a single word is wider."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _fitting(words: str, width: int) -> Font:
    """Return the largest font, up to the default size, in which a line fits the width."""
    sizes = range(LABEL, 8, -1)
    fonts = (ImageFont.load_default(size) for size in sizes)
    return next((f for f in fonts if f.getlength(words) <= width), ImageFont.load_default(9))
