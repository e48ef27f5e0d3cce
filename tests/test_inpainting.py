"""Holes filled with shifted copies, against exhaustive search and what must continue."""

import itertools

import pytest
import torch

from deformgan.inpainting import _choose, _cost, _disagreement, _Grid, _neighbours, inpaint
from deformgan.push_pull import fill_holes


def scene(height=128, width=96, seed=0):
    """Return noise in cells of 4 pixels, within -127.5 and 127.5."""
    random = torch.Generator().manual_seed(seed)
    small = torch.rand(3, -(-height // 4), -(-width // 4), generator=random) * 255 - 127.5
    return small.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :height, :width].contiguous()


def middle(height=128, width=96, rows=(30, 100), columns=(35, 60)):
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[rows[0] : rows[1], columns[0] : columns[1]] = True
    return hole


def test_only_the_hole_changes_and_what_was_in_it_is_ignored():
    image, hole = scene(), middle()
    filled = inpaint(image, hole)
    assert torch.equal(filled[:, ~hole], image[:, ~hole])
    other = torch.where(hole, torch.tensor(30.0), image)
    assert torch.equal(inpaint(other, hole), filled)
    assert filled.isfinite().all()
    assert filled.abs().max() <= 127.5


def test_the_texture_is_as_sharp_as_what_surrounds_the_hole():
    image, hole = scene(), middle()
    copied, smooth = inpaint(image, hole), fill_holes(image[None], hole[None])[0]
    inside = middle(rows=(40, 90), columns=(42, 53))
    around = image[:, ~hole].std()
    assert copied[:, inside].std() > 0.7 * around
    assert smooth[:, inside].std() < 0.5 * around


def test_stripes_continue():
    rows = torch.arange(128)
    stripes = ((rows // 8) % 2 * 120.0 - 60.0)[None, :, None].repeat(3, 1, 96)
    same = (inpaint(stripes, middle()) - stripes).abs().amax(dim=0)[middle()] < 1e-3
    assert same.float().mean() > 0.95


def test_a_wall_above_paving_meets_it_at_the_same_height():
    image = scene(seed=1) * 0.3
    image[:, :64] += 76
    filled = inpaint(image, middle())
    assert filled[:, 30:60, 35:60].mean(dim=0).min() > 13
    assert filled[:, 68:100, 35:60].mean(dim=0).max() < 64


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (7, 5, (0, 7), (0, 5)),
        (40, 30, (0, 40), (0, 30)),
        (64, 3, (10, 20), (0, 2)),
        (1, 1, (0, 1), (0, 1)),
    ],
)
def test_little_or_nothing_known(height, width, rows, columns):
    image, hole = scene(height, width), middle(height, width, rows, columns)
    filled = inpaint(image, hole)
    assert filled.isfinite().all()
    assert torch.equal(filled[:, ~hole], image[:, ~hole])


def test_no_hole_changes_nothing():
    image = scene()
    assert torch.equal(inpaint(image, torch.zeros(128, 96, dtype=torch.bool)), image)


def test_the_choice_costs_least_of_all():
    """On a row of four cells, which is a tree, messages find what exhaustive search finds."""
    image = scene(40, 40, seed=3)
    hole = middle(40, 40, (20, 24), (12, 28))
    grid = _Grid.of(image, hole, (10, 10))
    assert len(grid.places) == 4
    tried = torch.tensor([(0, -4), (0, 4), (2, 1), (-3, 0)]).expand(4, -1, -1)
    own = _cost(grid, tried)
    first, second = _neighbours(grid)
    between = _disagreement(grid, tried, first, second)

    def cost(labels):
        edges = zip(first.tolist(), second.tolist(), between, strict=True)
        return sum(own[cell, label].item() for cell, label in enumerate(labels)) + sum(
            pair[labels[one], labels[other]].item() for one, other, pair in edges
        )

    best = min(itertools.product(range(4), repeat=4), key=cost)
    found = _choose(grid, tried, rounds=60)
    assert torch.equal(found, tried[torch.arange(4), torch.tensor(best)])
    assert cost(best) < cost([0] * 4)  # else one shift for all would pass


def test_the_same_shift_side_by_side_costs_nothing():
    grid = _Grid.of(scene(), middle(), (20, 15))
    tried = torch.tensor([(0, -6), (0, 5), (1, 7)]).expand(len(grid.places), -1, -1)
    first, second = _neighbours(grid)
    between = _disagreement(grid, tried, first, second)
    assert torch.equal(between.diagonal(dim1=1, dim2=2), torch.zeros(len(first), 3))
    assert between.min() == 0
    assert between.max() > 10
