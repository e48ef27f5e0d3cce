"""Figures: what is where in them."""

import numpy as np
from PIL import Image, ImageColor

from deformgan.draw.plots import (
    COLOURS,
    Interval,
    Point,
    Series,
    draw_intervals,
    draw_lines,
    save_plot,
    spread_apart,
)


def test_names_that_would_overlap_move_apart_as_little_as_that_takes():
    assert spread_apart([100.0, 10.0, 50.0], 18.0) == [100, 10, 50]
    moved = spread_apart([50.0, 52.0, 10.0, 51.0], 18.0)
    assert moved[2] == 10
    assert [moved[0], moved[3], moved[1]] == [33, 51, 69]


def _where(image: Image.Image, colour: str) -> np.ndarray:
    pixels = np.array(image.convert("RGB")).astype(int)
    near = np.abs(pixels - ImageColor.getrgb(colour)).sum(axis=2) < 30
    return np.argwhere(near)


def test_larger_values_are_higher_and_every_series_has_its_colour():
    low = Series("low", [Point(20.0, 1.0, 0.1), Point(100.0, 2.0)], 1)
    high = Series("high", [Point(20.0, 5.0, 0.1), Point(100.0, 6.0)], 2, 1)
    image = draw_lines([low, high], "title", "share, %", "mAP, %")
    rows = [_where(image, COLOURS[number])[:, 0] for number in (1, 2)]
    assert len(rows[0]) > 200
    assert len(rows[1]) > 200
    assert rows[1].mean() < rows[0].mean()


def test_a_difference_below_nothing_lies_left_of_one_above():
    rows = [
        Interval("up", 2.0, (1.5, 2.5), (1.0, 3.0), 1),
        Interval("down", -2.0, (-2.5, -1.5), None, 2),
    ]
    image = draw_intervals(rows, "title", "points")
    columns = [_where(image, COLOURS[number]) for number in (1, 2)]
    right = [found[found[:, 1] > 120][:, 1].mean() for found in columns]
    assert right[0] > right[1]


def test_a_saved_figure_is_small_and_looks_the_same(tmp_path):
    image = draw_lines([Series("one", [Point(100.0, 1.0, 0.2)], 1)], "title", "x", "y")
    save_plot(image, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size < 60_000
    with Image.open(tmp_path / "figure.png") as saved:
        difference = np.abs(np.array(saved.convert("RGB")).astype(int) - np.array(image))
    assert difference.mean() < 1.0
