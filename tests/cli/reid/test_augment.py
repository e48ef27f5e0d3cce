"""The command `deformgan reid augment`."""

import json
import shutil
from dataclasses import asdict

import pytest
import torch

from deformgan.checkpoint import save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.market1501 import Market1501
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.reid.augment_report import AugmentReport

TINY = GeneratorConfig(
    encoder_widths=(4, 4, 4, 4, 4, 4), decoder_widths=(4, 4, 4, 4, 4), upsampling="resize"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A generator that has learnt nothing."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(TINY), {"size": [128, 64]})
    return path


@pytest.fixture
def few(tmp_path):
    """A table of eight of the bundled people's photos."""
    table = tmp_path / "few.csv"
    lines = (FOLDER / "annotation.csv").read_text().splitlines()[:9]
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.fixture
def command(weights, few, tmp_path):
    """Run the command; flags given replace those that work, None drops one."""

    def run(*switches, **flags):
        settings = {
            "data": FOLDER,
            "annotations": few,
            "weights": weights,
            "out": tmp_path / "out",
        } | {name.replace("_", "-"): value for name, value in flags.items()}
        words = [
            word
            for name, value in settings.items()
            if value is not None
            for word in (f"--{name}", str(value))
        ]
        return main(["reid", "augment", *words, *switches])

    return run


def test_it_writes_a_market_1501_and_says_how_many(command, few, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert command("--no-gate", per_image=2, json=report) == 0
    photos = Market1501(FOLDER, annotations=few)
    usable = int(photos.usable.sum())
    assert len(Market1501(tmp_path / "out")) == len(photos) + 2 * usable
    printed = capsys.readouterr().out
    assert f"{len(photos)} originals, {usable} of them with a usable pose" in printed
    assert f"{2 * usable} of {2 * usable} photos generated, 0 of {2 * usable} rejected" in printed
    written = json.loads(report.read_text())
    assert written["settings"]["gate"] is None
    assert set(written["seconds"]) >= {"read", "generator", "write"}
    assert written["images_per_second"] > 0
    # What lies in the data set is the same, but for what differs from run to run.
    there = asdict(AugmentReport.load(tmp_path / "out" / "augment-report.json"))
    assert there == written | {"seconds": {}, "images_per_second": None, "provenance": {}}


def test_what_the_gate_asks_for_is_in_the_report(command, tmp_path, capsys):
    assert command(min_pose=0.9, min_identity=-0.5, tries=1) == 0
    report = AugmentReport.load(tmp_path / "out" / "augment-report.json")
    assert report.settings["gate"] == {
        "min_person": 0.77,
        "min_pose": 0.9,
        "min_identity": -0.5,
        "max_similarity": None,
        "min_pose_distance": None,
    }
    assert "low score in" in capsys.readouterr().out


def test_what_adds_too_little_is_counted_and_said(command, tmp_path, capsys):
    asked = {"min_person": 0, "min_pose": 0, "min_identity": -1, "min_pose_distance": 0.5}
    assert command(max_similarity=0.99, tries=1, **asked) == 0
    report = AugmentReport.load(tmp_path / "out" / "augment-report.json")
    assert report.rejected_by["pose_variety"] > 0
    passed_over = report.rejected_by["pose_variety"]
    assert f"{passed_over} poses passed over, too near to those there" in capsys.readouterr().out


def test_a_process_that_does_not_lead_leaves_the_end_to_the_leading_one(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert command("--no-gate", shard_size=3) == 0
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    monkeypatch.setenv("RANK", "0")
    assert command("--no-gate", shard_size=3) == 0
    assert (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("flags", "switches", "said"),
    [
        ({"policy": "nearest"}, [], "Unknown policy 'nearest'; choose one of random"),
        ({"labels": "all"}, [], "Unknown labels 'all'; choose one of same, new, soft"),
        ({"format": "duke"}, [], "Unknown writer 'duke'; choose one of market1501"),
        ({"detector": "openpose"}, [], "Unknown detector 'openpose'"),
        ({"weights": "nobody"}, [], "No weights 'nobody'"),
        ({"device": "abacus"}, [], "The device 'abacus' is not available"),
        ({"per_image": 0}, [], "--per-image is 0; it must be at least 1"),
        ({"tries": 0}, [], "--tries is 0; it must be at least 1"),
        ({"max_similarity": 1.5}, [], "--max-similarity is 1.5; it must be in [-1, 1]"),
        ({"min_pose_distance": "nan"}, [], "--min-pose-distance is nan; it must be in [0, 10]"),
        ({"max_similarity": 0.9}, ["--no-gate"], "--max-similarity has no effect"),
        ({"data": "nowhere"}, [], "nowhere does not exist"),
        ({"poses": "nowhere.csv"}, [], "nowhere.csv"),
        ({"json": "nowhere/report.json"}, [], "the folder nowhere does not exist"),
        ({"min_pose": 0.5}, ["--no-gate"], "--min-pose has no effect"),
        ({"out": None}, [], "--out"),
        ({"min_pose": "high"}, [], "--min-pose"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_in_one_line_before_any_work(command, flags, switches, said, capsys):
    assert command(*switches, **flags) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.startswith("deformgan: ")
    assert complaint.count("\n") == 1


def test_a_folder_that_holds_something_else_is_left_alone(command, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert command("--no-gate") == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_what_0000_is_is_said_once_the_data_set_is_open(command, few, tmp_path, capsys):
    data, table = tmp_path / "from-zero", tmp_path / "from-zero.csv"
    (data / "bounding_box_train").mkdir(parents=True)
    for name in Market1501(FOLDER, annotations=few).names:
        photo = FOLDER / "bounding_box_train" / name
        renumbered = name.replace("0001_", "0000_", 1)
        shutil.copy(photo, data / "bounding_box_train" / renumbered)
    table.write_text(few.read_text().replace("\n0001_", "\n0000_"))
    assert command("--no-gate", data=data, annotations=tmp_path / "nowhere.csv") == 2
    complaint = capsys.readouterr().err
    assert "nowhere.csv" in complaint
    assert complaint.count("\n") == 1
    assert command("--no-gate", data=data, annotations=table) == 0
    assert "0000 in" in (said := capsys.readouterr().err)
    assert "counts as a person" in said
