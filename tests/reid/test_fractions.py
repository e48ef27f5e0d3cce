"""Which photos are kept where only a share is at hand."""

from itertools import pairwise

import torch

from deformgan.reid.fractions import keep_fraction


def _set(people: int = 12, photos: int = 10):
    classes = torch.arange(people).repeat_interleave(photos)
    cameras = torch.arange(people * photos) % 3 + 1
    names = [f"{row:04d}.jpg" for row in range(people * photos)]
    return classes, cameras, names


def test_a_smaller_share_is_part_of_every_larger_one():
    everything = _set()
    kept = [set(keep_fraction(*everything, share, 0).tolist()) for share in (5, 20, 40, 60, 100)]
    assert all(small <= large for small, large in pairwise(kept))
    assert kept[-1] == set(range(120))


def test_everybody_keeps_that_share_of_their_photos():
    classes, cameras, names = _set()
    rows = keep_fraction(classes, cameras, names, 40, 3)
    assert classes[rows].bincount().tolist() == [4] * 12


def test_everybody_keeps_two_photos_of_two_cameras_where_there_are():
    classes = torch.tensor([0] * 9 + [1] * 5 + [2])
    cameras = torch.tensor([1] * 8 + [2] + [4] * 5 + [1])
    names = [f"{row}.jpg" for row in range(15)]
    for seed in range(5):
        rows = keep_fraction(classes, cameras, names, 1, seed)
        assert classes[rows].bincount().tolist() == [2, 2, 1]
        assert sorted(cameras[rows[classes[rows] == 0]].tolist()) == [1, 2]


def test_seeds_draw_others_and_the_order_of_photos_does_not_matter():
    classes, cameras, names = _set()
    first = keep_fraction(classes, cameras, names, 40, 0)
    assert keep_fraction(classes, cameras, names, 40, 1).tolist() != first.tolist()
    order = torch.randperm(len(names))
    shuffled = [names[row] for row in order.tolist()]
    again = keep_fraction(classes[order], cameras[order], shuffled, 40, 0)
    assert {shuffled[row] for row in again.tolist()} == {names[row] for row in first.tolist()}
