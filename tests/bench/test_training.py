"""Training steps, the loader beside them, and the share of what depends on the pose."""

import pytest

from deformgan.bench import share
from deformgan.bench import training as training_bench
from deformgan.models import discriminator, generator


def test_the_loader_is_timed_in_pairs_per_second_of_several_batches(
    clock, tiny_recipe, monkeypatch
):
    # A step takes 6 s, a batch 0.1 s.
    monkeypatch.setattr(training_bench, "train_step", lambda *_: clock(6.0))
    real = training_bench.PairBatches.__getitem__

    def load(batches, step):
        clock(0.1)
        return real(batches, step)

    monkeypatch.setattr(training_bench.PairBatches, "__getitem__", load)
    found = training_bench.loader_speed("cpu", 1.0)
    assert found.step == pytest.approx(3 / 6)
    assert found.memory == pytest.approx(3 / 0.1)
    assert found.file_surplus == pytest.approx(60)
    (step,) = training_bench.step_speeds("cpu", 1.0, (2,), ("float32",))
    assert step.pairs_per_second.median == pytest.approx(2 / 6)


def test_the_share_of_a_step_is_the_time_in_functions_of_the_pose(clock, monkeypatch):
    for module, names in share._POSE_FUNCTIONS.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *_: clock(0.5))
    before = generator.part_masks

    def step():
        for module, name in (
            (generator, "part_masks"),
            (generator, "render_heatmaps"),
            (discriminator, "render_heatmaps"),
        ):
            getattr(module, name)()
        clock(8.5)

    found = share.pose_share(step, "cpu", 0.0, least=2)
    assert found.share == pytest.approx(0.15)
    assert found.functions["render_heatmaps"] == pytest.approx(1.0)
    assert found.functions["part_masks"] == pytest.approx(0.5)
    assert generator.part_masks is before


def test_the_functions_of_the_pose_are_all_called_in_a_real_step(tiny_recipe):
    found = training_bench.pose_functions_share("cpu", 0.0, least=1)
    called = {name for name, seconds in found.functions.items() if seconds > 0}
    assert called == {"render_heatmaps", "MovedParts.of", "MovedParts.masks", "normalize"}
    assert 0 < found.share < 1
