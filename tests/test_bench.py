"""What `deformgan bench` compares is equal, and what it counts as memory is memory."""

import json
import time
from dataclasses import replace

import pytest
import torch

from deformgan import bench
from deformgan.bench import Comparison
from deformgan.cli.bench import bench as command
from deformgan.datasets.bundled_people import FOLDER
from deformgan.deformable_skip import warp_parts
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.recipes.pedestrian import pedestrian_base


def both(first, second, features):
    """Value and gradient of two functions of the same features."""
    found = []
    for function in (first, second):
        leaf = features.detach().clone().requires_grad_()
        value = function(leaf)
        value.square().sum().backward()
        found.append((value.detach(), leaf.grad))
    return found


def test_the_two_losses_that_are_compared_are_equal():
    generated, target = torch.rand(2, 8, 16, 12), torch.rand(2, 8, 16, 12)
    ours, other = both(
        lambda features: nearest_neighbour_loss(features, target, 3),
        lambda features: bench.stacked_shifts(features, target, 3),
        generated,
    )
    torch.testing.assert_close(ours, other)


@pytest.mark.parametrize(("size", "batch"), [((128, 64), 4), ((256, 256), 2)])
def test_the_two_skips_that_are_compared_are_equal_on_the_bundled_people(size, batch):
    transforms, masks = bench._bundled_poses(batch, size, "cpu")
    assert transforms.shape == (batch, 10, 2, 3)
    # A person's parts: each somewhere, and all but the torso's (the whole image) in a small place.
    assert masks[:, 0].all()
    assert 0.05 < masks[:, 1:].float().mean(dim=(2, 3)).sum(dim=1).mean() < 1
    ours, other = both(
        lambda features: warp_parts(features, transforms, masks),
        lambda features: bench.ten_copies(features, transforms, masks),
        torch.randn(batch, 3, *size).relu(),
    )
    torch.testing.assert_close(ours[0], other[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours[1].sum(), other[1].sum(), rtol=1e-3, atol=1e-2)


def test_peak_memory_counts_the_tensors_held_at_once():
    def three_then_two():
        held = [torch.empty(1000, dtype=torch.uint8) for _ in range(3)]
        held.pop()
        torch.empty(400, dtype=torch.uint8)

    assert bench.peak_memory(three_then_two, "cpu") == 3000


def test_a_ratio_is_ours_over_the_other():
    slow = Comparison("slow", lambda: time.sleep(0.02), lambda: time.sleep(0.01))
    found = bench.measure(slow, "cpu", 0.1)
    assert 1.5 < found.ratio < 2.5
    assert found.ours == pytest.approx(0.02, rel=0.3)
    assert found.repetitions >= 2


def tiny_recipe():
    """A step that a test can afford."""
    return replace(
        pedestrian_base(),
        generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2),
        discriminator=DiscriminatorConfig(widths=(4, 6)),
        batch_size=3,
    )


def test_the_loader_is_timed_in_pairs_per_second_of_several_batches(monkeypatch):
    # A clock that only the functions under test move on: a step takes 6 s, a batch 0.1 s.
    now = [0.0]
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(bench, "pedestrian_base", tiny_recipe)
    monkeypatch.setattr(bench, "LOADER_REPEATS", 1)
    monkeypatch.setattr(bench, "train_step", lambda *_: now.__setitem__(0, now[0] + 6.0))
    real = bench.PairBatches.__getitem__

    def load(batches, step):
        now[0] += 0.1
        return real(batches, step)

    monkeypatch.setattr(bench.PairBatches, "__getitem__", load)
    found = bench.loader_speed("cpu", 1.0)
    assert found.step == pytest.approx(3 / 6)
    assert found.memory == pytest.approx(3 / 0.1)
    assert found.file_surplus == pytest.approx(60)


def test_the_command_writes_ratios_times_and_machine(monkeypatch, tmp_path, capsys):
    # The real comparisons, at a size that a test can afford.
    monkeypatch.setattr(bench, "SETTINGS", {"": ((64, 32), 3, 2), "_256": ((32, 32), 5, 1)})
    monkeypatch.setattr(bench, "CHANNELS", 4)
    monkeypatch.setattr(bench, "QUICK_SECONDS", 0.1)
    monkeypatch.setattr(bench, "LOADER_REPEATS", 1)
    monkeypatch.setattr(bench, "pedestrian_base", tiny_recipe)
    command(quick=True, json=tmp_path / "bench.json")
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report["ratios"]) == {
        "nn_loss_vs_l1",
        "nn_loss_vs_stacked",
        "nn_loss_vs_l1_256_n5",
        "nn_loss_vs_stacked_256_n5",
        "deformable_skip_vs_ten_copies",
        "deformable_skip_vs_ten_copies_256",
    }
    for name, ratio in report["ratios"].items():
        assert ratio > 0
        assert report["times"][name]["ours_peak"] > 0
        assert name in printed
    loader = report["loader"]
    assert loader["batch_size"] == 3
    assert loader["images"] == len(list((FOLDER / "bounding_box_train").glob("*.jpg")))
    for place in ("memory", "file"):
        assert loader[f"{place}_surplus"] == pytest.approx(loader[place] / loader["step"])
        assert loader[f"{place}_surplus"] > 1
        assert f"images in {place}" in printed
    assert report["machine"]["threads"] == torch.get_num_threads()
