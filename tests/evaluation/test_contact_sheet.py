"""Sheets of pictures: what stands where."""

import numpy as np
import pytest
import torch

from deformgan.evaluation.contact_sheet import GAP, HEADER, contact_sheet


@pytest.mark.parametrize(("rows", "strips"), [(3, 1), (3, 2), (4, 2)])
def test_every_picture_stands_in_its_row_and_column(rows, strips):
    height, width, zoom = 8, 4, 2
    columns = {
        name: torch.randint(0, 256, (rows, 3, height, width), dtype=torch.uint8) for name in "abc"
    }
    sheet = np.array(contact_sheet(columns, strips, zoom))
    cell = (height * zoom + 2 * GAP, width * zoom + 2 * GAP)
    strip = 3 * cell[1] + 2 * GAP
    assert sheet.shape == (HEADER + -(-rows // strips) * cell[0], strips * strip, 3)
    for row in range(rows):
        for place, pictures in enumerate(columns.values()):
            top = HEADER + row // strips * cell[0] + GAP
            left = row % strips * strip + GAP + place * cell[1] + GAP
            shown = sheet[top : top + height * zoom : zoom, left : left + width * zoom : zoom]
            assert np.array_equal(shown, pictures[row].permute(1, 2, 0).numpy())


def test_columns_are_named_above():
    blank = torch.full((1, 3, 16, 60), 255, dtype=torch.uint8)
    sheet = np.array(contact_sheet({"": blank, "full": blank}, zoom=1))
    half = sheet.shape[1] // 2
    assert (sheet[:, :half] == 255).all()
    assert (sheet[:HEADER, half:] < 128).any()
    assert (sheet[HEADER:] == 255).all()
