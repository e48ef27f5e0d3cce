"""Batches of people: who is in them, how they are spoilt, and that (seed, step) says it all."""

from dataclasses import replace

import pytest
import torch

from deformgan.reid.batches import ReidBatches

SIZE = (64, 32)


def test_a_batch_follows_from_seed_and_step_alone(photos):
    make = photos()
    one, other = (
        ReidBatches(make, SIZE, 8, 2, seed=3, crop=0.1, random_erasing=True) for _ in range(2)
    )
    _ = other[7]
    for first, second in zip(one[4], other[4], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(one[4][0], one[5][0])
    assert not torch.equal(ReidBatches(make, SIZE, 8, 2, seed=4)[4][1], one[4][1])


def test_photos_in_turn_come_all_once_before_any_comes_again(photos):
    batches = ReidBatches(photos(6, 5), SIZE, 7, seed=1)
    seen = torch.cat([batches.rows(step) for step in range(30)])  # 7 times all 30
    for turn in range(7):
        assert sorted(seen[turn * 30 : (turn + 1) * 30].tolist()) == list(range(30))
    assert not torch.equal(seen[:30], seen[30:60])


def test_a_batch_has_so_many_photos_of_so_many_people(photos):
    batches = ReidBatches(photos(6, 5), SIZE, 12, 3, seed=1)
    for step in range(10):
        rows = batches.rows(step)
        who = batches.photos.classes[rows].unflatten(0, (4, 3))
        assert (who == who[:, :1]).all()
        assert len(set(who[:, 0].tolist())) == 4
        assert len(set(rows.tolist())) == 12


def test_somebody_with_fewer_photos_comes_twice_in_the_same(photos):
    batches = ReidBatches(photos(4, 2), SIZE, 12, 3)
    rows = batches.rows(0).unflatten(0, (4, 3))
    assert all(len(set(row)) == 2 for row in rows.tolist())


def test_more_people_than_there_are_come_again(photos):
    batches = ReidBatches(photos(3, 4), SIZE, 8, 2)
    who = batches.photos.classes[batches.rows(0)]
    assert sorted(set(who.tolist())) == [0, 1, 2]


def test_without_changes_half_of_the_photos_are_mirrored_and_the_others_are_themselves(photos):
    batches = ReidBatches(photos(), SIZE, 30)
    mirrored = 0
    for step in range(10):
        images, rows = batches[step]
        real = batches.photos.images[rows].float() / 255
        same = (images == real).flatten(1).all(1)
        flipped = (images == real.flip(-1)).flatten(1).all(1)
        assert (same ^ flipped).all()
        mirrored += int(flipped.sum())
    assert 110 < mirrored < 190  # of 300


def test_a_shift_moves_whole_pixels_into_grey(photos):
    still = ReidBatches(photos(), SIZE, 10, seed=2)
    moved = ReidBatches(photos(), SIZE, 10, seed=2, crop=0.05)  # up to 3 px
    (before, rows), (after, again) = still[0], moved[0]
    assert torch.equal(rows, again)
    for one, other in zip(before, after, strict=True):
        wide = torch.nn.functional.pad(one, (3,) * 4, value=0.5)
        found = [
            (y, x)
            for y in range(7)
            for x in range(7)
            if torch.equal(wide[:, y : y + 64, x : x + 32], other)
        ]
        assert found


def test_erasing_fills_one_rectangle_of_half_of_the_photos_with_the_mean(photos):
    still = ReidBatches(photos(), SIZE, 30, seed=2)
    erased = ReidBatches(photos(), SIZE, 30, seed=2, random_erasing=True)
    shares = []
    for step in range(10):
        for one, other in zip(still[step][0], erased[step][0], strict=True):
            changed = (one != other).any(dim=0)
            if not changed.any():
                continue
            rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
            box = other[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            mean = one.mean(dim=(1, 2))[:, None, None]
            torch.testing.assert_close(box, mean.expand_as(box))
            shares.append(box[0].numel() / changed.numel())
    assert 110 < len(shares) < 190  # of 300
    assert 0.01 < min(shares) < 0.1 < max(shares) < 0.45


def test_first_steps_can_be_small(photos):
    batches = ReidBatches(photos(), SIZE, 4, small_for=2)
    assert [tuple(batches[step][0].shape[2:]) for step in range(3)] == [(32, 16), (32, 16), SIZE]


def test_processes_share_a_batch_without_overlap(photos):
    whole = ReidBatches(photos(), SIZE, 12, 2, crop=0.1, random_erasing=True)[3]
    parts = [
        ReidBatches(photos(), SIZE, 12, 2, crop=0.1, random_erasing=True, place=p, places=3)[3]
        for p in range(3)
    ]
    for index in range(2):
        assert torch.equal(torch.cat([part[index] for part in parts]), whole[index])


def test_a_batch_that_processes_cannot_share_is_refused(photos):
    with pytest.raises(ValueError, match="multiple of 6"):
        ReidBatches(photos(), SIZE, 8, 2, places=3)


def test_the_fingerprint_changes_with_names_and_pixels(photos):
    make = photos()
    before = ReidBatches(make, SIZE, 4).fingerprint()
    renamed = replace(make, names=["x.jpg", *make.names[1:]])
    images = make.images.clone()
    images[3, 1, 5, 5] ^= 1
    for other in (renamed, replace(make, images=images)):
        assert ReidBatches(other, SIZE, 4).fingerprint() != before
    assert ReidBatches(photos(), SIZE, 4).fingerprint() == before
