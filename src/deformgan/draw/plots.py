"""Line and interval plots with Pillow alone, in colours for colour-blind readers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Number = int | float

# Okabe and Ito's palette without yellow, which is too light for lines on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, FAINT, PAPER = "#303030", "#dddddd", "#ffffff"
MARKS = ("circle", "square", "diamond", "triangle")

_FINE = 3  # supersampling factor, for antialiasing
_TEXT, _TITLE = 15, 18


@dataclass(frozen=True)
class Point:
    """A measured value.

    Attributes:
        x: Position on the horizontal axis.
        y: Value.
        spread: Half the length of the error bar; 0 for none.
    """

    x: Number
    y: Number
    spread: Number = 0.0


@dataclass(frozen=True)
class Series:
    """A line of a plot.

    Attributes:
        name: Label at the end of the line.
        points: Points by increasing x.
        colour: Index into `COLOURS`.
        mark: Index into `MARKS`; unless it is 0, the line is dashed.
    """

    name: str
    points: Sequence[Point]
    colour: int = 0
    mark: int = 0


@dataclass(frozen=True)
class Interval:
    """A value with up to two intervals.

    Attributes:
        name: Label of the row.
        value: Value, e.g. a difference.
        thick: (low, high) of the interval drawn thick; None for none.
        thin: (low, high) of the interval drawn thin; None for none.
        colour: Index into `COLOURS`.
        mark: Index into `MARKS`.
    """

    name: str
    value: Number
    thick: tuple[Number, Number] | None
    thin: tuple[Number, Number] | None
    colour: int = 0
    mark: int = 0


class _Canvas:
    """A supersampled canvas with coordinates in pixels of the final figure."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (width * _FINE, height * _FINE), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[tuple[Number, Number]], colour: str, width: Number = 1) -> None:
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self.draw.line(fine, colour, max(1, round(width * _FINE)), joint="curve")

    def dashes(self, points: Sequence[tuple[Number, Number]], colour: str, width: Number) -> None:
        """Draw a dashed line whose pattern continues around corners."""
        dash, gap, walked = 7.0, 4.0, 0.0
        for (x, y), (to_x, to_y) in pairwise(points):
            length = math.hypot(to_x - x, to_y - y)
            place = 0.0
            while place < length:
                phase = (walked + place) % (dash + gap)
                step = min((dash if phase < dash else dash + gap) - phase, length - place)
                if phase < dash:
                    ends = [
                        (x + (to_x - x) * at / length, y + (to_y - y) * at / length)
                        for at in (place, place + step)
                    ]
                    self.line(ends, colour, width)
                place += max(step, 1e-6)
            walked += length

    def mark(self, x: Number, y: Number, kind: int, colour: str, radius: Number = 5) -> None:
        """Draw a marker with a white outline, so that it stands out where lines cross."""
        for grown, paint in ((radius + 1.5, PAPER), (radius, colour)):
            r = grown * _FINE
            cx, cy = x * _FINE, y * _FINE
            match MARKS[kind % len(MARKS)]:
                case "circle":
                    self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), paint)
                case "square":
                    s = 0.88 * r
                    self.draw.rectangle((cx - s, cy - s, cx + s, cy + s), paint)
                case "diamond":
                    s = 1.25 * r
                    corners = [(cx, cy - s), (cx + s, cy), (cx, cy + s), (cx - s, cy)]
                    self.draw.polygon(corners, paint)
                case _:
                    s = 1.2 * r
                    corners = [(cx, cy - s), (cx + s, cy + 0.8 * s), (cx - s, cy + 0.8 * s)]
                    self.draw.polygon(corners, paint)

    def text(
        self, x: Number, y: Number, words: str, anchor: str, colour: str = INK, size: int = _TEXT
    ) -> None:
        self.draw.text((x * _FINE, y * _FINE), words, colour, _font(size * _FINE), anchor)

    def finished(self) -> Image.Image:
        width, height = self.image.size
        return self.image.resize((width // _FINE, height // _FINE), Image.Resampling.LANCZOS)


def draw_lines(
    series: Sequence[Series], title: str, x_label: str, y_label: str, note: str = ""
) -> Image.Image:
    """Draw a line plot with error bars and a label at the end of each line.

    Args:
        series: At least one, each with at least one point.
        title: Title above the plot.
        x_label: Label of the horizontal axis.
        y_label: Label above the vertical axis.
        note: Footnote in small print.
    """
    points = [point for one in series for point in one.points]
    names = max(text_width(one.name) for one in series)
    left, top, right, bottom = 62, 76, names + 30, 68 + (20 if note else 0)
    width, height = max(700, 440 + left + right), 470
    canvas = _Canvas(width, height)
    xs = sorted({point.x for point in points})
    low, high, ticks = nice_ticks(
        min(point.y - point.spread for point in points),
        max(point.y + point.spread for point in points),
    )
    apart = 26.0 if len(xs) == 1 else 6.0
    inset = 14 + apart * len(series) / 2  # keeps the outermost markers off the edges
    span = max(xs[-1] - xs[0], 1e-9)
    middle = (left + width - right) / 2

    def across(x: Number) -> float:
        if len(xs) == 1:
            return middle
        return left + inset + (x - xs[0]) / span * (width - left - right - 2 * inset)

    def down(y: Number) -> float:
        return height - bottom - (y - low) / (high - low) * (height - top - bottom)

    canvas.text(left - 44, 22, title, "lm", size=_TITLE)
    canvas.text(left - 44, 52, y_label, "lm")
    for tick in ticks:
        canvas.line([(left, down(tick)), (width - right, down(tick))], FAINT)
        canvas.text(left - 8, down(tick), _number(tick, ticks), "rm")
    for x in xs:
        canvas.line([(across(x), height - bottom), (across(x), height - bottom + 5)], INK)
        canvas.text(across(x), height - bottom + 9, f"{x:g}", "ma")
    canvas.line([(left, height - bottom), (width - right, height - bottom)], INK)
    canvas.text(middle, height - bottom + 50, x_label, "mb")
    # Lines are shifted horizontally, so that their error bars do not overlap.
    dodge = [apart * (number - (len(series) - 1) / 2) for number in range(len(series))]
    for number, one in enumerate(series):
        colour = COLOURS[one.colour % len(COLOURS)]
        path = [(across(point.x) + dodge[number], down(point.y)) for point in one.points]
        (canvas.dashes if one.mark else canvas.line)(path, colour, 2)
        for (x, y), point in zip(path, one.points, strict=True):
            if point.spread:
                ends = down(point.y + point.spread), down(point.y - point.spread)
                canvas.line([(x, ends[0]), (x, ends[1])], colour, 1.4)
                for end in ends:
                    canvas.line([(x - 4, end), (x + 4, end)], colour, 1.4)
            canvas.mark(x, y, one.mark, colour)
    ends = spread_apart([down(one.points[-1].y) for one in series], 18.0)
    start = width - right + 10
    for number, (one, y) in enumerate(zip(series, ends, strict=True)):
        colour = COLOURS[one.colour % len(COLOURS)]
        last = across(one.points[-1].x) + dodge[number], down(one.points[-1].y)
        canvas.line([(last[0] + 8, last[1]), (start - 3, y)], colour, 0.5)
        canvas.text(start, y, one.name, "lm", colour)
    if note:
        canvas.text(left - 44, height - 16, note, "lm", "#606060", 12)
    return canvas.finished()


def draw_intervals(
    rows: Sequence[Interval], title: str, x_label: str, note: str = "", sign: str = "+"
) -> Image.Image:
    """Draw a row per value with its intervals, around a line at 0.

    Args:
        rows: At least one, from top to bottom.
        title: Title above the plot.
        x_label: Label of the horizontal axis.
        note: Footnote in small print, e.g. the meaning of thick and thin.
        sign: Prefix of positive numbers; "" if they are not differences.
    """
    names = max(text_width(row.name) for row in rows)
    left, right, top, step = names + 34, 40, 56, 30
    bottom = 70 + (20 if note else 0)
    width = max(left + right + 460, text_width(title, _TITLE) + 40, text_width(note, 12) + 40)
    height = top + step * len(rows) + bottom
    canvas = _Canvas(width, height)
    ends = [
        end for row in rows for one in (row.thick, row.thin) for end in one or () if abs(end) < 1e9
    ]
    values = [0.0, *ends, *(row.value for row in rows)]
    low, high, ticks = nice_ticks(min(values), max(values))

    def across(x: Number) -> float:
        return left + (min(max(x, low), high) - low) / (high - low) * (width - left - right)

    canvas.text(18, 22, title, "lm", size=_TITLE)
    for tick in ticks:
        canvas.line([(across(tick), top), (across(tick), height - bottom)], FAINT)
        canvas.text(across(tick), height - bottom + 8, _number(tick, ticks, sign), "ma")
    canvas.line([(across(0), top - 6), (across(0), height - bottom)], INK, 1.4)
    canvas.text((left + width - right) / 2, height - bottom + 50, x_label, "mb")
    for number, row in enumerate(rows):
        y = top + step * (number + 0.5)
        colour = COLOURS[row.colour % len(COLOURS)]
        canvas.text(left - 14, y, row.name, "rm", colour)
        if row.thin is not None:
            canvas.line([(across(row.thin[0]), y), (across(row.thin[1]), y)], colour, 1.2)
            for end in row.thin:
                canvas.line([(across(end), y - 5), (across(end), y + 5)], colour, 1.2)
        if row.thick is not None:
            canvas.line([(across(row.thick[0]), y), (across(row.thick[1]), y)], colour, 5)
        canvas.mark(across(row.value), y, row.mark, colour, 6)
    if note:
        canvas.text(18, height - 16, note, "lm", "#606060", 12)
    return canvas.finished()


def nice_ticks(low: Number, high: Number, wanted: int = 6) -> tuple[float, float, list[float]]:
    """Return axis limits and ticks at round numbers that enclose a range.

    Args:
        low: Smallest value.
        high: Largest value.
        wanted: Approximate number of steps.
    """
    span = max(high - low, 1e-3)
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    ticks = [number * step for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def spread_apart(places: Sequence[Number], gap: Number) -> list[float]:
    """Move positions apart to a minimum gap, as little as possible and in order."""
    order = sorted(range(len(places)), key=places.__getitem__)
    # Groups of touching positions, each centred on the mean of its members' original positions.
    groups: list[list[int]] = []
    for place in order:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], places, gap) < _last(groups[-2], places, gap):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = [0.0] * len(places)
    for group in groups:
        start = _first(group, places, gap)
        for number, place in enumerate(group):
            moved[place] = start + number * gap
    return moved


def _first(group: Sequence[int], places: Sequence[Number], gap: Number) -> float:
    middle = sum(places[place] for place in group) / len(group)
    return middle - gap * (len(group) - 1) / 2


def _last(group: Sequence[int], places: Sequence[Number], gap: Number) -> float:
    """Return the lowest position at which the next group may start."""
    return _first(group, places, gap) + gap * len(group)


def text_width(words: str, size: int = _TEXT) -> int:
    """Return the width of a text in pixels."""
    return math.ceil(_font(size).getlength(words))


def save_plot(image: Image.Image, path: Path) -> None:
    """Write a figure as PNG, quantized to 128 colours to keep the file small."""
    image.quantize(128, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)


def _number(value: Number, ticks: Sequence[Number], sign: str = "") -> str:
    step = ticks[1] - ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    value = round(value, digits)
    return "0" if value == 0 else f"{value:{sign}.{digits}f}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
