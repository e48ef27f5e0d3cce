"""Push-pull: known pixels stay, holes are filled with what is around them."""

import pytest
import torch

from deformgan.push_pull import fill_holes, fill_softly


def test_what_is_known_stays_and_holes_take_the_colours_round_them():
    image = torch.rand(3, 3, 40, 30) * 200
    hole = torch.zeros(3, 40, 30, dtype=torch.bool)
    hole[:, 10:30, 8:22] = True
    filled = fill_holes(image, hole)
    known = ~hole[:, None].expand_as(image)
    assert filled[known].equal(image[known])
    low, high = image[known].min(), image[known].max()
    assert ((filled >= low - 1e-3) & (filled <= high + 1e-3)).all()


def test_what_lies_in_a_hole_does_not_count():
    image = torch.rand(2, 3, 33, 47)
    hole = torch.zeros(2, 33, 47, dtype=torch.bool)
    hole[:, 5:25, 11:36] = True
    other = image.clone()
    other[:, :, 5:25, 11:36] = 1000
    assert fill_holes(image, hole).equal(fill_holes(other, hole))


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (64, 64), (128, 64), (37, 100)])
def test_one_colour_round_a_hole_fills_it(size):
    image = torch.full((1, 3, *size), 0.25)
    hole = torch.zeros(1, *size, dtype=torch.bool)
    hole[:, size[0] // 4 : size[0] // 2 + 1, size[1] // 4 : size[1] // 2 + 1] = True
    image[hole[:, None].expand_as(image)] = 7
    filled = fill_holes(image, hole)
    wanted = 0.0 if hole.all() else 0.25  # nothing but hole: nothing to fill it with
    torch.testing.assert_close(filled, torch.full_like(image, wanted))


def test_a_ramp_goes_on_across_a_narrow_hole():
    ramp = torch.arange(64.0).expand(1, 1, 64, 64).clone()
    hole = torch.zeros(1, 64, 64, dtype=torch.bool)
    hole[:, :, 28:36] = True
    filled = fill_holes(ramp, hole)
    assert (filled - ramp).abs().max() < 5


def test_between_known_and_unknown_a_pixel_is_the_mean_of_its_own_and_the_surrounding_colour():
    image = torch.full((1, 1, 32, 32), 2.0)
    known = torch.ones(1, 1, 32, 32)
    image[..., 12:20, 12:20] = 10.0
    known[..., 12:20, 12:20] = 0.0
    known[..., 15, 15] = 1e-3  # hardly known: hardly counts for its neighbours
    filled = fill_softly(image, known)
    assert filled[..., 15, 15].item() == pytest.approx(2.0, abs=0.05)
    known[..., 15, 15] = 0.5
    # Half its own 10; the other half is the mean of what is known around, itself included.
    filled = fill_softly(image, known)
    assert 6.0 < filled[..., 15, 15].item() < 10.0
    assert filled[..., 12, 19].item() == pytest.approx(2.0, abs=1.0)
    whole = torch.ones_like(known)
    assert fill_softly(image, whole).equal(image)
