"""The command `deformgan reid experiment`, with a tiny baseline on people of plain colours."""

import json

import numpy as np
import pytest
from PIL import Image

from deformgan.cli.main import main
from deformgan.reid import baselines

FLAGS = ["--steps", "2", "--batch-size", "8", "--size", "64,32", "--small", "0"]


@pytest.fixture
def market(tmp_path):
    """Four people to learn from and two to test on, seen by two cameras."""
    folder = tmp_path / "market"
    (folder / "bounding_box_train").mkdir(parents=True)
    random = np.random.default_rng(0)
    for person in range(1, 7):
        colour = random.integers(40, 215, 3)
        for photo in range(4):
            image = colour + random.integers(-20, 21, (64, 32, 3))
            name = f"{person:04d}_c{photo % 2 + 1}s1_{photo:06d}_01.jpg"
            Image.fromarray(image.astype(np.uint8)).save(folder / "bounding_box_train" / name)
    split = {"train": ["0001", "0002", "0003", "0004"], "test": ["0005", "0006"]}
    (folder / "identity-split.json").write_text(json.dumps(split))
    return folder


def _run(market, out, *more):
    words = ["--data", str(market), "--out", str(out), "--baselines", "light-ide", *FLAGS, *more]
    return main(["reid", "experiment", *words])


@pytest.mark.slow
def test_a_whole_experiment_leaves_a_report_and_goes_on_where_it_stopped(market, tmp_path, capsys):
    out = tmp_path / "out"
    design = ["--augmenters", "copy", "jitter", "--seeds", "0"]
    assert _run(market, out, *design) == 0
    printed = capsys.readouterr().out
    assert "3/3 light-ide-jitter-x2-mixed-100pc-erasing-s0: mAP" in printed
    report = json.loads((out / "experiment.json").read_text())
    assert report["complete"]
    assert len(report["results"]) == 3
    assert len(report["comparisons"]) == 2
    text = (out / "experiment.md").read_text()
    assert text.startswith("# Do generated photos help Re-ID?")
    for name in ("map-x2-light-ide-erasing.png", "difference-light-ide-erasing.png"):
        assert f"({name})" in text
        with Image.open(out / name) as image:
            assert min(image.size) > 150

    done = (
        (out / "runs" / "light-ide-copy-x2-mixed-100pc-erasing-s0" / "result.json")
        .stat()
        .st_mtime_ns
    )
    assert _run(market, out, *design, "1") == 0
    assert capsys.readouterr().out.count("to go") == 3
    assert json.loads((out / "experiment.json").read_text())["runs"] == {"done": 6, "planned": 6}
    file = out / "runs" / "light-ide-copy-x2-mixed-100pc-erasing-s0" / "result.json"
    assert file.stat().st_mtime_ns == done


def test_a_changed_setting_is_refused(market, tmp_path, capsys):
    design = ["--augmenters", "copy", "--seeds", "0"]
    assert _run(market, tmp_path / "out", *design) == 0
    assert _run(market, tmp_path / "out", *design, "--steps", "3") == 2
    assert "baseline.steps was 2, is 3" in capsys.readouterr().err


def test_networks_with_other_settings_are_refused_before_anything_begins(market, tmp_path, capsys):
    design = ["--augmenters", "copy", "--seeds", "0"]
    networks = tmp_path / "networks"
    assert _run(market, networks, *design) == 0
    out = tmp_path / "out"
    # Seed 1 is not among the networks: it would be trained before the complaint about seed 0.
    more = ["--augmenters", "copy", "--seeds", "1", "0", "--networks", str(networks)]
    capsys.readouterr()
    assert _run(market, out, *more, "--steps", "3") == 2
    assert "baseline.steps was 2, is 3" in capsys.readouterr().err
    assert _run(market, out, *design, "--networks", str(market)) == 2
    assert "not the output of an experiment" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_begun_when_time_is_over(market, tmp_path, capsys):
    assert _run(market, tmp_path / "out", "--augmenters", "copy", "--minutes", "0") == 0
    assert "6 of 6 runs are left" in capsys.readouterr().out
    assert "**Unfinished: 0 of 6 runs.**" in (tmp_path / "out" / "experiment.md").read_text()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--augmenters", "ours="], "takes NAME=FOLDER or a name, got 'ours='"),
        (["--augmenters", "copy", "copy"], "Two augmenters are named 'copy'"),
        (["--augmenters", "magic"], "Unknown augmenter 'magic'"),
        (["--fractions", "0"], "percentages from 1 to 100, got 0"),
        (["--imagenet", "resnet50.pth"], "--imagenet is for resnet50 and lite0 baselines"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(market, tmp_path, capsys, words, complaint):
    assert _run(market, tmp_path / "out", *words) == 2
    assert complaint in capsys.readouterr().err


def test_an_unknown_baseline_is_refused(market, tmp_path, capsys):
    words = ["--data", str(market), "--out", str(tmp_path / "out"), "--baselines", "huge"]
    assert main(["reid", "experiment", *words]) == 2
    assert f"choose one of {', '.join(baselines.BASELINES)}" in capsys.readouterr().err
