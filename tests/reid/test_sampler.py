"""Which photos are in a batch."""

import pytest
import torch

from deformgan.reid.sampler import PhotoSampler


def sampler(people=6, each=5, count=12, num_photos=3, seed=1):
    """Return a sampler of `people` identities with `each` photos."""
    classes = torch.arange(people).repeat_interleave(each)
    return PhotoSampler(classes, torch.arange(len(classes)), count, num_photos, seed=seed)


def test_photos_in_turn_come_all_once_before_any_comes_again():
    made = sampler(count=7, num_photos=1)
    seen = torch.cat([made.rows(step) for step in range(30)])  # 7 times all 30
    for turn in range(7):
        assert sorted(seen[turn * 30 : (turn + 1) * 30].tolist()) == list(range(30))
    assert not torch.equal(seen[:30], seen[30:60])


def test_a_batch_has_so_many_photos_of_so_many_people():
    made = sampler()
    for step in range(10):
        rows = made.rows(step)
        who = made.classes[rows].unflatten(0, (4, 3))
        assert (who == who[:, :1]).all()
        assert len(set(who[:, 0].tolist())) == 4
        assert len(set(rows.tolist())) == 12


def test_an_identity_with_fewer_photos_repeats_them():
    rows = sampler(4, 2).rows(0).unflatten(0, (4, 3))
    assert all(len(set(row)) == 2 for row in rows.tolist())


def test_more_identities_than_there_are_repeat():
    made = sampler(3, 4, 8, 2)
    assert sorted(set(made.classes[made.rows(0)].tolist())) == [0, 1, 2]


@pytest.mark.parametrize("num_photos", [1, 2])
def test_only_the_given_rows_are_drawn_and_what_follows_them_changes_nothing(num_photos):
    classes = torch.tensor([0, 1, 0, 1, 2, 2])
    rows = torch.tensor([0, 2, 4, 5])
    made = PhotoSampler(classes, rows, 4, num_photos, seed=3)
    longer = torch.cat([classes, torch.tensor([0, 3, 3])])
    same = PhotoSampler(longer, rows, 4, num_photos, seed=3)
    for step in range(8):
        assert set(made.rows(step).tolist()) <= set(rows.tolist())
        assert torch.equal(made.rows(step), same.rows(step))
