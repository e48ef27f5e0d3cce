"""The command `deformgan evaluate`: what a user gives wrong is one line, what is scored is told."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from deformgan.checkpoint import save_generator
from deformgan.cli.main import main
from deformgan.models.generator import Generator, GeneratorConfig

CHEAP = ["--metrics", "ssim", "sharpness", "part_error_torso"]


@pytest.fixture
def given(pair_set):
    """A set of pairs, and a folder of blurred targets as some system's output."""
    folder = pair_set(6)
    out = folder / "out"
    out.mkdir()
    for line in (folder / "pairs.csv").read_text().splitlines()[1:]:
        source, target = (name.removesuffix(".png") for name in line.split(","))
        photo = Image.open(folder / "images" / f"{target}.png")
        photo.filter(ImageFilter.GaussianBlur(1)).save(out / f"{source}__{target}.png")
    return folder


def evaluate(folder, *flags, report="report.json"):
    paths = {"images": "images", "annotations": "poses.csv", "pairs": "pairs.csv"}
    where = [part for flag, name in paths.items() for part in (f"--{flag}", str(folder / name))]
    return main(["evaluate", *where, "--json", str(folder / report), *flags])


def read(folder, report="report.json"):
    return json.loads((folder / report).read_text())


def test_a_folder_of_pictures_is_scored_pair_by_pair(given, capsys):
    assert evaluate(given, "--generated", str(given / "out"), *CHEAP) == 0
    report = read(given)
    assert report["n"] == 6
    assert report["protocol"]["name"] == "deformgan-1"
    assert report["problems"] == []
    numbers = report["pairs"]["numbers"]
    for name in ("ssim", "mask_ssim", "l1", "psnr", "sharpness", "part_error_torso"):
        metric = report["metrics"][name]
        assert metric["value"] == pytest.approx(np.mean(numbers[name]), abs=1e-9)
        low, high = metric["ci95"]
        assert low <= metric["value"] <= high
        assert metric["what"]
    assert report["metrics"]["sharpness"]["value"] < 1
    assert "pckh_pose18" not in report["metrics"]
    assert report["failures"]["worst"]
    assert set(report["packages"]) >= {"torch", "numpy", "pillow"}
    assert "6 of 6 pairs scored" in capsys.readouterr().out
    assert not (given / "report.json.unfinished").exists()


def test_weights_give_the_same_report_as_the_folder_that_they_saved(given, tmp_path):
    torch.manual_seed(0)
    config = GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2)
    weights = tmp_path / "tiny.safetensors"
    save_generator(weights, Generator(config).eval(), {"size": [128, 64]})
    saved = given / "saved"
    flags = ["--weights", str(weights), "--save-generated", str(saved)]
    assert evaluate(given, *flags, *CHEAP, report="ours.json") == 0
    assert len(list(saved.iterdir())) == 6
    assert evaluate(given, "--generated", str(saved), *CHEAP, report="theirs.json") == 0
    ours, theirs = read(given, "ours.json"), read(given, "theirs.json")
    for key in ("metrics", "pairs", "failures", "protocol", "n"):
        assert ours[key] == theirs[key]
    assert len(ours["system"]["sha256"]) == 64


def test_all_that_is_bundled_is_measured_and_the_rest_listed_with_reasons(given):
    assert evaluate(given, "--generated", str(given / "out")) == 0
    report = read(given)
    measured = {
        "ssim",
        "mask_ssim",
        "l1",
        "psnr",
        "sharpness",
        "pckh_pose18",
        "identity_person_embedding",
    }
    assert measured <= set(report["metrics"])
    assert "pose18" in report["metrics"]["pckh_pose18"]["what"]
    outside = {
        "detection_score_ssd300",
        "lpips",
        "inception_score",
        "mask_inception_score",
        "fid",
        "kid",
    }
    outside |= {f"{name}_efficientnet_lite0" for name in ("lpips", "fid", "kid")}
    for name in outside - set(report["metrics"]):  # whoever has the files has the numbers
        assert (
            "give a path" in report["unavailable"][name] or "extra" in report["unavailable"][name]
        )
    assert outside <= set(report["metrics"]) | set(report["unavailable"])


def test_every_defect_of_the_folder_is_named_and_nothing_else_is_lost(given, capsys):
    out = given / "out"
    evaluate(given, "--generated", str(out), *CHEAP, report="whole.json")
    names = [f"person.{row}__person.{(row + 1) % 6}.png" for row in range(6)]
    (out / names[0]).unlink()
    (out / "stranger__person.1.png").write_bytes((out / names[1]).read_bytes())
    Image.new("RGB", (32, 64)).save(out / names[2])
    (out / names[3]).write_bytes((out / names[3]).read_bytes()[:300])
    Image.open(out / names[4]).save(out / names[4].replace(".png", ".jpg"), quality=95)
    (out / names[4]).unlink()
    capsys.readouterr()
    assert evaluate(given, "--generated", str(out), *CHEAP) == 1
    report, whole = read(given), read(given, "whole.json")
    told = "\n".join(report["problems"])
    assert capsys.readouterr().err.strip() == told
    for name, word in [
        (names[0], "missing"),
        ("stranger__person.1.png", "belongs to no pair"),
        (names[2], "64x32"),
        (names[3], "cannot be read"),
        (names[4].replace(".png", ".jpg"), "JPEG"),
    ]:
        assert any(name in line and word in line for line in report["problems"]), told
    assert len(report["problems"]) == 5
    assert report["pairs"]["from"] == [f"person.{row}.png" for row in (1, 4, 5)]
    ssim, before = (part["pairs"]["numbers"]["ssim"] for part in (report, whole))
    assert [ssim[0], ssim[2]] == [before[1], before[5]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "either --weights or --generated"),
        (["--generated", "x", "--weights", "pedestrian"], "either --weights or --generated"),
        (["--generated", "nowhere"], "nowhere does not exist"),
        (["--weights", "nobody"], "No weights 'nobody'"),
        (["--generated", "images", "--protocol", "mine"], "Unknown protocol 'mine'"),
        (["--generated", "images", "--metrics", "beauty"], "Unknown metric 'beauty'"),
        (["--generated", "images", "--lpips", "no.pth"], "no.pth does not exist"),
        (["--generated", "images", "--device", "abacus"], "'abacus' is not available"),
        (["--generated", "images", "--save-generated", "x"], "needs --weights"),
        (["--generated", "images", "--real", "nothing"], "nothing does not exist"),
        (["--generated", "images", *CHEAP], "No pair has a picture"),
    ],
)
def test_what_a_user_gives_wrong_is_one_line_and_leaves_no_report(
    given, flags, message, capsys, monkeypatch
):
    monkeypatch.chdir(given)
    assert evaluate(given, *flags) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (given / "report.json").exists()


def test_the_tables_are_written_where_they_are_asked_for(given):
    tables = given / "tables.md"
    flags = ["--generated", str(given / "out"), "--markdown", str(tables)]
    assert evaluate(given, *flags, *CHEAP) == 0
    assert "| ssim |" in tables.read_text()
    assert "Worst pairs by ssim" in tables.read_text()
