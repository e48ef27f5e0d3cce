"""Line and interval plots by matplotlib, in colours for colour-blind readers."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from deformgan.files import write_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Number = int | float

# Okabe and Ito's palette without yellow, which is too light for lines on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, FAINT = "#303030", "#dddddd"
MARKS = ("o", "s", "D", "^")

_DPI = 110
_TEXT, _TITLE, _NOTE = 9, 11, 7.5  # points


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


def draw_lines(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    note: str = "",
    log: bool = False,
) -> Image.Image:
    """Draw a line plot with error bars and a label at the end of each line.

    Args:
        series: At least one, each with at least one point.
        title: Title above the plot.
        x_label: Label of the horizontal axis.
        y_label: Label above the vertical axis.
        note: Footnote in small print.
        log: Whether both axes are logarithmic.
    """
    figure, axes = _figure(7.6, 4.4, title, note)
    xs = sorted({point.x for one in series for point in one.points})
    # Lines are shifted horizontally, so that their error bars do not overlap.
    apart = 0.0 if log else 0.008 * (xs[-1] - xs[0] or 4)
    for number, one in enumerate(series):
        colour = COLOURS[one.colour % len(COLOURS)]
        dodge = apart * (number - (len(series) - 1) / 2)
        axes.errorbar(
            [point.x + dodge for point in one.points],
            [point.y for point in one.points],
            [point.spread for point in one.points],
            color=colour,
            marker=MARKS[one.mark % len(MARKS)],
            linestyle="--" if one.mark else "-",
            capsize=3,
            markeredgecolor="white",
            markersize=7,
        )
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xticks(xs, [f"{x:g}" for x in xs])
    axes.minorticks_off()
    axes.grid(axis="y", color=FAINT)
    axes.set_xlabel(x_label)
    axes.set_title(y_label, loc="left", fontsize=_TEXT)
    _name_ends(axes, series)
    return _picture(figure)


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
    figure, axes = _figure(7.6, 1.5 + 0.3 * len(rows), title, note)
    for place, row in enumerate(rows):
        colour = COLOURS[row.colour % len(COLOURS)]
        for ends, width in ((row.thin, 1.2), (row.thick, 4.5)):
            if ends is not None:
                axes.plot(ends, [place, place], color=colour, linewidth=width, marker="|")
        axes.plot(
            row.value,
            place,
            color=colour,
            marker=MARKS[row.mark % len(MARKS)],
            markeredgecolor="white",
            markersize=8,
        )
    axes.axvline(0, color=INK, linewidth=1.2, zorder=0)
    axes.grid(axis="x", color=FAINT)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(COLOURS[row.colour % len(COLOURS)])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:{sign}g}" if value else "0")
    axes.set_xlabel(x_label)
    return _picture(figure)


def save_plot(image: Image.Image, path: Path) -> None:
    """Write a figure atomically as PNG, quantized to 128 colours to keep the file small."""
    small = image.quantize(128, dither=Image.Dither.NONE)
    write_image(path, small, format="PNG", optimize=True)


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


def _name_ends(axes: "Axes", series: Sequence[Series]) -> None:
    """Write the name of every line beside its end, at least a line of text apart."""
    down = axes.transData.transform([(0, one.points[-1].y) for one in series])[:, 1]
    bottom, top = axes.get_window_extent().y0, axes.get_window_extent().y1
    for one, place in zip(series, spread_apart(down.tolist(), 16.0), strict=True):
        axes.annotate(
            one.name,
            (1.02, (place - bottom) / (top - bottom)),
            xycoords="axes fraction",
            va="center",
            annotation_clip=False,
            color=COLOURS[one.colour % len(COLOURS)],
        )


def _figure(width: float, height: float, title: str, note: str) -> "tuple[Figure, Axes]":
    """Create a figure of a size in inches; without pyplot, which keeps global state."""
    from matplotlib.figure import Figure  # half a second

    figure = Figure((width, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=_TEXT, colors=INK)
    figure.suptitle(title, fontsize=_TITLE, x=0.02, ha="left")
    if note:
        figure.supxlabel(note, fontsize=_NOTE, x=0.02, ha="left", color="#606060")
    return figure, axes


def _picture(figure: "Figure") -> Image.Image:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", bbox_inches="tight")
        with Image.open(file, formats=["PNG"]) as image:
            return image.convert("RGB")
