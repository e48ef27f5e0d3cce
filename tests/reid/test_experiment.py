"""The runs of an experiment: what each learns from, and what it leaves."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.reid.baseline import load_baseline
from deformgan.reid.baselines import light_ide
from deformgan.reid.experiment import Experiment
from deformgan.reid.experiment_runs import PlannedRun, execute_runs, plan_runs, read_results
from deformgan.reid.train import RESULT
from deformgan.training.launch import open_fabric

TINY = replace(light_ide(), name="tiny", size=(64, 32), batch_size=8, steps=2, small=0.0)


@pytest.fixture
def market(tmp_path) -> Path:
    """Six people to learn from and three to test on, of two colours each, seen by two cameras."""
    folder = tmp_path / "market"
    (folder / "bounding_box_train").mkdir(parents=True)
    random = np.random.default_rng(0)
    for person in range(1, 10):
        colours = random.integers(40, 215, (2, 3))
        for photo in range(6):
            image = np.repeat(colours, [32, 32], axis=0)[:, None] + random.integers(
                -20, 21, (64, 32, 3)
            )
            name = f"{person:04d}_c{photo % 2 + 1}s1_{photo:06d}_01.jpg"
            Image.fromarray(image.astype(np.uint8)).save(folder / "bounding_box_train" / name)
    split = {
        "train": [f"{person:04d}" for person in range(1, 7)],
        "test": [f"{person:04d}" for person in range(7, 10)],
    }
    (folder / "identity-split.json").write_text(json.dumps(split))
    return folder


@pytest.fixture
def made(market, tmp_path) -> Path:
    """Three pictures of every photo, but of two photos none and of one only one."""
    folder = tmp_path / "made"
    folder.mkdir()
    paths = sorted((market / "bounding_box_train").iterdir())
    for place, path in enumerate(paths):
        for number in range(1, {0: 0, 1: 0, 2: 1}.get(place, 3) + 1):
            with Image.open(path) as image:
                image.save(folder / f"{path.stem}g{number}.png")
    return folder


@pytest.fixture
def fabric():
    return open_fabric(torch.device("cpu"))


def _run(augmenter: str = "ours", alpha: int = 2, fraction: int = 100, seed: int = 0) -> PlannedRun:
    entry = "none" if augmenter == "real" else "mixed"
    return PlannedRun("tiny", augmenter, alpha, entry, fraction, None, False, seed)


def test_generated_photos_are_of_kept_ones_and_alpha_is_counted(market, made, fabric):
    trial = Experiment.open(market, {"tiny": TINY}, {"ours": made}, fabric)
    assert trial.strays == {"ours": 18 * 3}  # of the test people
    photos, counts = trial.photos_of(_run(alpha=3))
    assert counts == {
        "real": 36,
        "generated": 36 * 2 - 5,
        "missing": 5,
        "identities": 6,
        "soft": 0,
        "alpha": (36 + 67) / 36,
    }
    assert int(photos.generated.sum()) == 67
    part, counts = trial.photos_of(_run(alpha=3, fraction=40))
    assert counts["real"] == 12
    kept = {name for name, fake in zip(part.names, part.generated, strict=True) if not fake}
    sources = {
        f"{Path(name).stem.rpartition('g')[0]}.jpg"
        for name, fake in zip(part.names, part.generated, strict=True)
        if fake
    }
    assert sources <= kept


def test_cells_of_a_seed_share_kept_photos_and_other_seeds_keep_others(market, made, fabric):
    trial = Experiment.open(market, {"tiny": TINY}, {"ours": made, "copy": None}, fabric)
    kept = [
        trial.photos_of(one)[0].names[:12]
        for one in (
            _run("real", 1, 40),
            _run("ours", 2, 40),
            _run("copy", 2, 40),
            _run("real", 1, 40, seed=1),
        )
    ]
    assert kept[0] == kept[1] == kept[2]
    assert kept[3] != kept[0]


@pytest.mark.slow
def test_runs_leave_their_networks_and_their_scores_and_give_the_same_again(
    market, made, fabric, tmp_path
):
    trial = Experiment.open(market, {"tiny": TINY}, {"ours": made, "jitter": None}, fabric)
    planned = plan_runs(["tiny"], ["ours", "jitter"], [1, 2], [50], "both", [0])
    for out in (tmp_path / "first", tmp_path / "second"):
        assert execute_runs(planned, out, trial.settings, trial.measure, lambda _: None) == []
    found = read_results(planned, tmp_path / "first")
    again = read_results(planned, tmp_path / "second")
    for one in planned:
        folder = tmp_path / "first" / "runs" / one.name
        assert (folder / "baseline.safetensors").is_file()
        assert not (folder / "checkpoints").exists()
        result = found[one]
        assert result["queries"] == again[one]["queries"]
        scores = [float(score) for score in result["queries"]["map"].split()]
        assert len(scores) == len(result["queries"]["person"].split()) == 6
        assert np.mean(scores) == pytest.approx(result["metrics"]["map"], abs=1e-5)
        first = [float(score) for score in result["queries"]["rank1"].split()]
        assert np.mean(first) == pytest.approx(result["metrics"]["rank1"], abs=1e-5)
        penalty = [float(score) for score in result["queries"]["minp"].split()]
        assert np.mean(penalty) == pytest.approx(result["metrics"]["minp"], abs=1e-5)


def test_changed_pictures_or_settings_are_another_experiment(market, made, fabric, tmp_path):
    def settings():
        return Experiment.open(market, {"tiny": TINY}, {"ours": made}, fabric).settings

    first = settings()(_run())
    assert first == settings()(_run())
    assert first["baseline"]["seed"] == 0
    (made / next(made.iterdir()).name).write_bytes(b"other")
    assert settings()(_run())["augmenter"] != first["augmenter"]
    assert settings()(_run("real", 1)) == settings()(_run("real", 1))


def test_what_is_no_augmenter_and_a_set_that_is_augmented_already_are_refused(market, made, fabric):
    with pytest.raises(InputError, match="Unknown augmenter 'magic'; choose copy, jitter"):
        Experiment.open(market, {"tiny": TINY}, {"magic": None}, fabric)
    with pytest.raises(InputError, match="does not exist"):
        Experiment.open(market, {"tiny": TINY}, {"ours": made / "nowhere"}, fabric)


def on_top(augmenter="ours", alpha=2, per_person=None):
    """Return a run with photos on top, or more steps instead."""
    return PlannedRun("tiny", augmenter, alpha, "on-top", 100, per_person, False, 0)


def test_settings_of_added_photos_do_not_change_the_run_on_real_ones(market, made, fabric):
    weights = {"added_weight": 0.5, "switch": 0.7, "added": 4}
    one, other = (
        Experiment.open(market, {"tiny": replace(TINY, **changes)}, {"ours": made}, fabric)
        for changes in ({}, weights)
    )
    real = _run("real", alpha=1)
    assert one.settings(real) == other.settings(real)
    assert one.settings(_run()) == other.settings(_run())
    assert one.settings(on_top()) != other.settings(on_top())
    assert other.config(on_top()).added_weight == 0.5
    assert other.config(on_top()).entry == "on-top"


def test_more_steps_cost_what_photos_on_top_cost(market, made, fabric):
    config = replace(TINY, steps=40, batch_size=8, added=2)
    trial = Experiment.open(market, {"tiny": config}, {"ours": made, "more-steps": None}, fabric)
    longer = trial.config(on_top("more-steps", 1))
    assert longer.steps == 50
    assert longer.entry == "mixed"
    photos, counts = trial.photos_of(on_top("more-steps", 1))
    assert counts["generated"] == 0
    assert len(photos) == 36


def test_a_number_of_photos_per_person_is_kept(market, made, fabric):
    trial = Experiment.open(market, {"tiny": TINY}, {"ours": made}, fabric)
    counts = trial.photos_of(on_top(per_person=1))[1]
    assert counts["real"] == 6
    assert counts["generated"] + counts["missing"] == 6


def test_another_data_set_can_be_tested_on_though_its_people_have_the_same_numbers(
    market, made, fabric, tmp_path
):
    other = tmp_path / "other"
    shutil.copytree(market, other)
    split = {"train": ["0009"], "test": ["0001", "0002"]}
    (other / "identity-split.json").write_text(json.dumps(split))
    trial = Experiment.open(market, {"tiny": TINY}, {"ours": made}, fabric, test_data=other)
    assert set(trial.query.identities) == {"0001", "0002"}
    assert trial.describe()["data"]["test_folder"] == "other"
    assert trial.settings(_run()) != Experiment.open(
        market, {"tiny": TINY}, {"ours": made}, fabric
    ).settings(_run())


def test_networks_of_another_experiment_are_tested_instead_of_trained_again(
    market, made, fabric, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    shutil.copytree(market, other)
    split = {"train": ["0009"], "test": ["0001", "0002"]}
    (other / "identity-split.json").write_text(json.dumps(split))
    planned = [_run("real", alpha=1), _run()]

    def measure(out, runs=planned, **options):
        trial = Experiment.open(market, {"tiny": TINY}, {"ours": made}, fabric, **options)
        execute_runs(runs, tmp_path / out, trial.settings, trial.measure, lambda _: None)
        return read_results(runs, tmp_path / out)

    trained = measure("trained")
    anew = measure("anew", test_data=other)
    with monkeypatch.context() as patch:
        patch.setattr("deformgan.reid.experiment.train_baseline", None)
        tested = measure("tested", test_data=other, networks=tmp_path / "trained")
    for one in planned:
        assert tested[one]["queries"] == anew[one]["queries"] != trained[one]["queries"]
        for name in ("photos", "seen"):
            assert tested[one][name] == trained[one][name]
        assert tested[one]["seconds"]["train"] == trained[one]["seconds"]["train"]
    # A run that the other experiment has not is trained.
    more = [_run("real", alpha=1, seed=1)]
    assert measure("tested", more, test_data=other, networks=tmp_path / "trained").keys() == {*more}
    with pytest.raises(InputError, match=r"other settings \(baseline.steps was 2, is 3"):
        Experiment.open(
            market,
            {"tiny": replace(TINY, steps=3)},
            {"ours": made},
            fabric,
            test_data=other,
            networks=tmp_path / "trained",
        ).measure(planned[0], tmp_path)
    with pytest.raises(InputError, match="not the output of an experiment"):
        measure("no", test_data=other, networks=made)
    (tmp_path / "trained" / "runs" / planned[0].name / RESULT).unlink()
    with pytest.raises(InputError, match="has no network"):
        measure("gone", test_data=other, networks=tmp_path / "trained")


def test_a_run_reports_what_it_saw_and_who_labelled(market, made, fabric, tmp_path):
    config = replace(TINY, batch_size=8, added=3, photos=2, method="bot", steps=4)
    trial = Experiment.open(
        market, {"tiny": config}, {"ours": made}, fabric, teacher="person_embedding"
    )
    planned = [_run("real", alpha=1), on_top()]
    assert execute_runs(planned, tmp_path / "out", trial.settings, trial.measure) == []
    found = read_results(planned, tmp_path / "out")
    assert found[planned[0]]["seen"] == {"real": 32, "generated": 0, "steps": 4}
    assert found[planned[1]]["seen"] == {"real": 32, "generated": 12, "steps": 4}
    assert trial.settings(planned[0])["teacher"] is None
    assert trial.settings(planned[1])["teacher"] == "person_embedding"
    networks = [load_baseline(tmp_path / "out" / "runs" / one.name / RESULT) for one in planned]
    assert [network.metadata["labels"] for network in networks] == ["own", "teacher"]
