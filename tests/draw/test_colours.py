"""Colours of figures."""

import pytest
import torch

from deformgan.draw.colours import heat_colours, part_colours


@pytest.mark.parametrize("count", [1, 2, 3, 6, 10, 18])
def test_colours_differ(count):
    assert len(set(part_colours(count))) == count


def test_brighter_means_more():
    ramp = heat_colours(torch.linspace(0, 1, 50)[None])[:, 0]
    luma = ramp.T @ torch.tensor([0.299, 0.587, 0.114])
    assert (luma.diff() > 0).all()
