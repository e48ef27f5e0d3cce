"""A clock and a training step for tests of benchmarks."""

from dataclasses import replace

import pytest

from deformgan.bench import timing
from deformgan.bench import training as training_bench
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.recipes.pedestrian import pedestrian_base


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the functions under test move on."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


@pytest.fixture
def tiny_recipe(monkeypatch):
    """A training step that a test can afford."""

    def recipe():
        return replace(
            pedestrian_base(),
            generator=GeneratorConfig(
                encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2
            ),
            discriminator=DiscriminatorConfig(widths=(4, 6)),
            batch_size=3,
        )

    monkeypatch.setattr(training_bench, "pedestrian_base", recipe)
    monkeypatch.setattr(training_bench, "REPEATS", 1)
