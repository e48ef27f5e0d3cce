"""Which photos are kept where only a share is at hand."""

from itertools import pairwise

import pytest
import torch

from deformgan.errors import InputError
from deformgan.reid.fractions import keep_fraction, keep_per_person, keep_some
from deformgan.reid.manifest import MANIFEST, write_manifest
from tests.reid.invented import generated_photo


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


def test_fewer_photos_per_person_are_part_of_more():
    everything = _set()
    kept = [set(keep_per_person(*everything, count, 0).tolist()) for count in (1, 2, 4, 10, 11)]
    assert all(small <= large for small, large in pairwise(kept))
    assert [len(rows) for rows in kept] == [12, 24, 48, 120, 120]
    classes = everything[0]
    for count, rows in zip((1, 2, 4), kept, strict=False):
        assert classes[sorted(rows)].bincount().tolist() == [count] * 12


def test_the_first_two_of_a_person_are_by_two_cameras_where_there_are():
    classes = torch.tensor([0] * 9 + [1] * 5 + [2])
    cameras = torch.tensor([1] * 8 + [2] + [4] * 5 + [1])
    names = [f"{row}.jpg" for row in range(15)]
    for seed in range(5):
        rows = keep_per_person(classes, cameras, names, 2, seed)
        assert rows.tolist() == keep_fraction(classes, cameras, names, 1, seed).tolist()
        assert classes[rows].bincount().tolist() == [2, 2, 1]
        assert sorted(cameras[rows[classes[rows] == 0]].tolist()) == [1, 2]


@pytest.mark.parametrize("count", [2, 4, 6])
def test_a_number_of_photos_is_the_share_that_has_as_many(count):
    everything = _set()
    share = keep_fraction(*everything, 10 * count, 7)
    assert keep_per_person(*everything, count, 7).tolist() == share.tolist()


def test_real_photos_are_kept_and_what_was_generated_of_them(photos, tmp_path):
    training = photos(people=4, each=6)
    training.names[:] = [f"0001_c1_{row}.jpg" for row in range(len(training))]
    made = [
        # Every third is generated from the one before it.
        generated_photo(name, training.names[row - 1])
        for row, name in enumerate(training.names)
        if training.generated[row]
    ]
    write_manifest(tmp_path / MANIFEST, made)
    assert keep_some(training, tmp_path, None, None, 0) is training
    for percent, count in ((None, 1), (None, 2), (50, None)):
        kept = keep_some(training, tmp_path, percent, count, 0)
        real = [name for name, new in zip(kept.names, kept.generated, strict=True) if not new]
        wanted = count or 2
        assert kept.classes[~kept.generated].bincount().tolist() == [wanted] * 4
        expected = {one.name for one in made if one.source in real}
        assert {*kept.names} - {*real} == expected
    whole = keep_some(training, tmp_path, 100, None, 0)
    assert whole.names == training.names


@pytest.mark.parametrize(
    ("percent", "count", "sentence"),
    [
        (50, 2, "Give --fraction or --per-person, not both"),
        (0, None, "--fraction is 0; it must be from 1 to 100"),
        (101, None, "--fraction is 101; it must be from 1 to 100"),
        (None, 0, "--per-person is 0; it must be at least 1"),
    ],
)
def test_other_shares_are_refused(photos, tmp_path, percent, count, sentence):
    with pytest.raises(InputError, match=sentence):
        keep_some(photos(), tmp_path, percent, count, 0)
