"""Settings of a run refuse nonsense, and the learning rate falls as they say."""

from dataclasses import replace

import pytest

from deformgan.recipes import RECIPES

CONFIG = RECIPES["quickstart"]()


def test_without_a_decay_the_learning_rate_stays():
    plan = replace(CONFIG, steps=10, learning_rate=0.5)
    assert [plan.learning_rate_at(step) for step in range(10)] == [0.5] * 10


def test_the_learning_rate_falls_along_a_straight_line_to_nothing_after_the_last_step():
    plan = replace(CONFIG, steps=10, learning_rate=0.5, decay_steps=4)
    rates = [plan.learning_rate_at(step) for step in range(11)]
    assert rates[:6] == [0.5] * 6
    assert rates[6:] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_a_decay_longer_than_the_run_begins_on_its_way():
    plan = replace(CONFIG, steps=2, learning_rate=1.0, decay_steps=3)
    assert [plan.learning_rate_at(step) for step in (0, 1)] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("decay_steps", -1), ("steps", 0), ("learning_rate", float("nan")), ("ema_decay", 1.0)],
)
def test_a_setting_that_cannot_be_is_named(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must"):
        replace(CONFIG, **{setting: value})
