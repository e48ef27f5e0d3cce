"""Sheets of pictures: what stands where."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.draw.pictures import to_pictures
from deformgan.draw.sheets import BORDER, HEADER, contact_sheet, spread


@pytest.mark.parametrize(("rows", "strips"), [(3, 1), (3, 2), (4, 2)])
def test_every_picture_stands_in_its_row_and_column(rows, strips):
    height, width, zoom = 8, 4, 2
    columns = {
        name: torch.randint(0, 256, (rows, 3, height, width), dtype=torch.uint8) for name in "abc"
    }
    shown = zip(*(to_pictures(pictures, zoom) for pictures in columns.values()), strict=True)
    sheet = np.array(contact_sheet(list(columns), list(shown), strips))
    cell = (height * zoom + 2 * BORDER, width * zoom + 2 * BORDER)
    strip = 3 * cell[1] + 2 * BORDER
    assert sheet.shape == (HEADER + -(-rows // strips) * cell[0], strips * strip, 3)
    for row in range(rows):
        for place, pictures in enumerate(columns.values()):
            top = HEADER + row // strips * cell[0] + BORDER
            left = row % strips * strip + BORDER + place * cell[1] + BORDER
            shown = sheet[top : top + height * zoom : zoom, left : left + width * zoom : zoom]
            assert np.array_equal(shown, pictures[row].permute(1, 2, 0).numpy())


def test_columns_are_named_above():
    blank = Image.new("RGB", (60, 16), "white")
    sheet = np.array(contact_sheet(["", "full"], [[blank, blank]]))
    half = sheet.shape[1] // 2
    assert (sheet[:, :half] == 255).all()
    assert (sheet[:HEADER, half:] < 128).any()
    assert (sheet[HEADER:] == 255).all()


def test_names_beside_a_picture_do_not_overlap_and_stay_inside():
    for wanted in ([5.0, 6.0, 7.0, 90.0], [95.0, 96.0, 97.0], [50.0]):
        places = spread(wanted, 10, 100)
        assert all(later - earlier >= 10 for earlier, later in pairwise(places))
        assert places[0] >= 5
        assert places[-1] <= 95
    assert spread([20.0, 60.0], 10, 100) == [20, 60]
