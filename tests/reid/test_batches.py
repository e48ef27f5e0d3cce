"""Batches of people: who is in them, how they are spoilt, and that (seed, step) says it all."""

from dataclasses import replace

import pytest
import torch

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.batches import ReidBatches
from deformgan.reid.entries import ENTRIES

SIZE = (64, 32)


def make_batches(photos, count, num_photos=1, *, seed=0, entry="mixed", added=6, **options):
    """Return batches of `SIZE` with the given entry."""
    config = BaselineConfig(
        "test", batch_size=count, photos=num_photos, seed=seed, entry=entry, added=added
    )
    return ReidBatches(photos, ENTRIES[entry](config, photos), SIZE, seed=seed, **options)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_batch_follows_from_seed_and_step_alone(photos, entry):
    make = photos()
    given = {"entry": entry, "crop": 0.1, "random_erasing": True}
    one, other = (make_batches(make, 8, 2, seed=3, **given) for _ in range(2))
    _ = other[7]
    first, second = one[4], other[4]
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.rows, second.rows)
    assert torch.equal(first.added_rows, second.added_rows)
    assert not torch.equal(first.images, one[5].images)
    assert not torch.equal(make_batches(make, 8, 2, seed=4, entry=entry)[4].rows, first.rows)


def test_photos_on_top_leave_the_real_batch_as_it_is(photos):
    data = photos()
    real = data.take((~data.generated).nonzero()[:, 0])
    given = {"crop": 0.1, "random_erasing": True, "seed": 5}
    for step in (0, 7):
        alone = make_batches(real, 8, 2, **given)[step]
        on_top = make_batches(data, 8, 2, entry="on-top", **given)[step]
        assert torch.equal(on_top.images, alone.images)
        assert on_top.added is not None
        assert len(on_top.added) == 6
        assert data.generated[on_top.added_rows].all()


def test_without_changes_half_of_the_photos_are_mirrored_and_the_others_are_themselves(photos):
    batches = make_batches(photos(), 30)
    mirrored = 0
    for step in range(10):
        images = batches[step].images
        real = batches.photos.images[batches[step].rows].float() / 255
        same = (images == real).flatten(1).all(1)
        flipped = (images == real.flip(-1)).flatten(1).all(1)
        assert (same ^ flipped).all()
        mirrored += int(flipped.sum())
    assert 110 < mirrored < 190  # of 300


def test_a_shift_moves_whole_pixels_into_grey(photos):
    still = make_batches(photos(), 10, seed=2)
    moved = make_batches(photos(), 10, seed=2, crop=0.05)  # up to 3 px
    assert torch.equal(still[0].rows, moved[0].rows)
    for one, other in zip(still[0].images, moved[0].images, strict=True):
        wide = torch.nn.functional.pad(one, (3,) * 4, value=0.5)
        found = [
            (y, x)
            for y in range(7)
            for x in range(7)
            if torch.equal(wide[:, y : y + 64, x : x + 32], other)
        ]
        assert found


def test_erasing_fills_one_rectangle_of_half_of_the_photos_with_the_mean(photos):
    still = make_batches(photos(), 30, seed=2)
    erased = make_batches(photos(), 30, seed=2, random_erasing=True)
    shares = []
    for step in range(10):
        for one, other in zip(still[step].images, erased[step].images, strict=True):
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
    batches = make_batches(photos(), 4, small_for=2)
    assert [tuple(batches[step].images.shape[2:]) for step in range(3)] == [
        (32, 16),
        (32, 16),
        SIZE,
    ]


def test_processes_share_a_batch_without_overlap(photos):
    given = {"entry": "on-top", "crop": 0.1, "random_erasing": True}
    whole = make_batches(photos(), 12, 2, **given)[3]
    parts = [make_batches(photos(), 12, 2, **given, place=p, places=3)[3] for p in range(3)]
    for name in ("images", "rows", "added", "added_rows"):
        shared = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(shared, getattr(whole, name))


def test_a_batch_that_processes_cannot_share_is_refused(photos):
    with pytest.raises(ValueError, match="3 processes cannot share 8 photos"):
        make_batches(photos(), 8, 2, places=3)[0]


def test_the_fingerprint_changes_with_names_and_pixels(photos):
    make = photos()
    before = make_batches(make, 4).fingerprint()
    renamed = replace(make, names=["x.jpg", *make.names[1:]])
    images = make.images.clone()
    images[3, 1, 5, 5] ^= 1
    for other in (renamed, replace(make, images=images)):
        assert make_batches(other, 4).fingerprint() != before
    assert make_batches(photos(), 4).fingerprint() == before
