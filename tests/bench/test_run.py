"""The report of `deformgan bench`, and what it prints and draws."""

import json

import pytest
import torch

from deformgan.bench import comparisons, growth, inference, moved, run, timing
from deformgan.bench.disk import DiskSpeed
from deformgan.bench.share import Share
from deformgan.bench.training import StepSpeed
from deformgan.cli.bench import bench as command
from deformgan.datasets.bundled_people import FOLDER


def test_the_command_writes_everything_it_measures(tiny_recipe, monkeypatch, tmp_path, capsys):
    # The real comparisons, at a size that a test can afford; the rest is measured above.
    spread = timing.Spread(0.02, 0.01, 0.03, 3, 0.03)
    small = {"": ((64, 32), 3, 2, 2), "_256": ((32, 32), 5, 2, 1)}
    monkeypatch.setattr(comparisons, "SETTINGS", small)
    monkeypatch.setattr(comparisons, "CHANNELS", 4)
    # The profiler takes seconds to start.
    monkeypatch.setattr(comparisons, "peak_memory", lambda work, device: work() or 1_000_000)
    monkeypatch.setattr(run, "QUICK_SECONDS", 0.1)
    monkeypatch.setattr(
        run,
        "inference_times",
        lambda cases, *_, **least: [inference.InferenceTime(case, spread) for case in cases],
    )
    monkeypatch.setattr(
        run,
        "moved_times",
        lambda cases, *_, **least: [moved.MovedTime(case, spread) for case in cases],
    )
    share = Share(0.02, {"part_masks": 0.01})
    monkeypatch.setattr(run, "pose_functions_share", lambda *_, **least: share)
    step = StepSpeed(6, "auto", spread)
    monkeypatch.setattr(run, "step_speeds", lambda *_: [step])
    monkeypatch.setattr(run, "disk_speed", lambda *_: DiskSpeed(8, 5.0, {"network": 1.6}))
    monkeypatch.setattr(
        run,
        "measure_growth",
        lambda *_: [
            growth.Growth("skip", axis, [1, 2], [spread] * 2, [0.01, 0.02], 2.0)
            for axis in ("batch", "parts")
        ],
    )
    command(quick=True, json=tmp_path / "bench.json", plots=tmp_path / "plots")
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "bench.json").read_text())
    assert set(report["ratios"]) == {
        "nn_loss_vs_l1",
        "nn_loss_vs_stacked",
        "nn_loss_vs_l1_256_n5",
        "nn_loss_vs_stacked_256_n5",
        "deformable_skip_vs_ten_copies",
        "deformable_skip_vs_ten_copies_256",
        "heatmaps_parts_affines_share_of_step",
    }
    for name, ratio in report["ratios"].items():
        assert ratio > 0
        assert name in printed
        if name != run.SHARE:
            times = report["times"][name]
            assert times["ours_peak"] > 0
            assert times["ours_spread"][0] <= times["ours"] <= times["ours_spread"][1]
    loader = report["loader"]
    assert loader["batch_size"] == 3
    assert loader["images"] == len(list((FOLDER / "bounding_box_train").glob("*.jpg")))
    for place in ("memory", "file"):
        assert loader[f"{place}_surplus"] == pytest.approx(loader[place] / loader["step"])
        assert loader[f"{place}_surplus"] > 1
        assert f"images in {place}" in printed
    assert report["steps"][0]["pairs_per_second"]["median"] > 0
    for words in ("generator 128x64", "20.0 ms per picture", "moved joint, kept", "5.0 pictures/s"):
        assert words in printed
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {
        "growth-batch.png",
        "growth-parts.png",
    }
    assert report["machine"]["threads"] == torch.get_num_threads()
    assert "peaks" not in report  # of a GPU only
