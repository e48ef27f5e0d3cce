"""How generated photos enter: who is in each step, with which weight."""

from dataclasses import replace

import pytest
import torch

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.entries import ENTRIES, Exposures, count_exposures, steps_of_equal_cost

CONFIG = BaselineConfig("test", batch_size=8, photos=2, steps=20, added=3, switch=0.25, ramp=0.2)


def steps_of(name, data, **changes):
    """Return the rows of all steps."""
    config = replace(CONFIG, entry=name, **changes)
    entry = ENTRIES[name](config, data)
    return [entry.rows(step) for step in range(config.steps)]


def shares(photos, steps):
    """Return the share of generated photos in each batch proper."""
    return [photos.generated[rows.batch].float().mean().item() for rows in steps]


def test_mixed_draws_generated_photos_by_their_share(photos):
    data = photos(6, 5)
    steps = steps_of("mixed", data, photos=1, method="ide", steps=30)
    seen = torch.cat([rows.batch for rows in steps])[:240]  # 8 times all 30
    assert torch.equal(seen.bincount(), torch.full((30,), 8))
    assert all(len(rows.added) == 0 for rows in steps)


def test_on_top_adds_generated_photos_to_every_real_batch(photos):
    data = photos()
    steps = steps_of("on-top", data, ramp=0.0)
    assert shares(data, steps) == [0.0] * 20
    assert all(data.generated[rows.added].all() and len(rows.added) == 3 for rows in steps)
    assert [rows.weight for rows in steps] == [1.0] * 20


def test_late_begins_at_the_switch_and_its_weight_rises(photos):
    data = photos()
    steps = steps_of("late", data, added_weight=0.8)
    assert shares(data, steps) == [0.0] * 20
    assert [len(rows.added) for rows in steps] == [0] * 5 + [3] * 15
    rising = [0.2, 0.4, 0.6, 0.8, 0.8]
    assert [rows.weight for rows in steps[5:10]] == pytest.approx(rising)


def test_first_is_generated_until_the_switch_and_real_from_there(photos):
    data = photos()
    steps = steps_of("first", data)
    assert shares(data, steps) == [1.0] * 5 + [0.0] * 15
    assert all(len(rows.added) == 0 for rows in steps)


@pytest.mark.parametrize("name", ENTRIES)
def test_without_generated_photos_every_entry_is_the_same(photos, name):
    data = photos()
    real = data.take((~data.generated).nonzero()[:, 0])
    for ours, plain in zip(steps_of(name, real), steps_of("mixed", real), strict=True):
        assert torch.equal(ours.batch, plain.batch)
        assert len(ours.added) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("on-top", Exposures(160, 60, 20)),
        ("late", Exposures(160, 45, 20)),
        ("first", Exposures(120, 40, 20)),
    ],
)
def test_exposures_are_counted(photos, name, expected):
    assert count_exposures(replace(CONFIG, entry=name), photos()) == expected


def test_mixed_sees_fewer_real_photos(photos):
    data = photos(6, 5)
    config = replace(CONFIG, entry="mixed", photos=1, method="ide", steps=15)
    # Four epochs of 30 photos, a third of them generated (but 10 of 30).
    count = int(data.generated.sum())
    assert count_exposures(config, data) == Exposures(4 * (30 - count), 4 * count, 15)


@pytest.mark.parametrize("entry", ["on-top", "late"])
@pytest.mark.parametrize("small", [0.0, 0.5])
def test_more_steps_of_real_photos_cost_as_much(photos, entry, small):
    config = replace(CONFIG, entry=entry, steps=200, small=small)
    data = photos()

    def cost(config, data):
        made = ENTRIES[config.entry](config, data)
        total = 0.0
        for step in range(config.steps):
            rows = made.rows(step)
            weight = 0.25 if step < round(small * config.steps) else 1.0
            total += weight * (len(rows.batch) + len(rows.added))
        return total

    real = data.take((~data.generated).nonzero()[:, 0])
    longer = replace(config, entry="mixed", steps=steps_of_equal_cost(config))
    assert cost(longer, real) == pytest.approx(cost(config, data), rel=0.01)
