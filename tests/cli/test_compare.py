"""The command `deformgan compare`."""

import json

import numpy as np
import pytest
from PIL import Image

from deformgan.cli.main import main

PAIRS = [("s0.png", "t0.png"), ("s1.png", "t1.png"), ("s2.png", "t2.png")]


@pytest.fixture
def material(tmp_path):
    """Reports of two systems, their photos and the pictures of both."""
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for name in {name for pair in PAIRS for name in pair}:
        Image.fromarray(random.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(photos / name)
    for label, scores in (("ours", [0.5, 0.6, 0.4]), ("theirs", [0.4, 0.7, 0.1])):
        folder = tmp_path / f"{label}-pictures"
        folder.mkdir()
        for source, target in PAIRS:
            Image.new("RGB", (32, 64), "teal").save(folder / f"{source[:2]}__{target[:2]}.png")
        write(tmp_path / f"{label}.json", scores, folder)
    return tmp_path


def write(file, scores, folder, protocol="deformgan-1"):
    """Write a report as `deformgan evaluate` does."""
    data = {
        "protocol": {"name": protocol},
        "n": len(scores),
        "metrics": {"ssim": {"value": sum(scores) / len(scores), "ci95": None, "what": "s"}},
        "unavailable": {},
        "pairs": {
            "from": [source for source, _ in PAIRS],
            "to": [target for _, target in PAIRS],
            "asked_joints": [18] * len(scores),
            "numbers": {"ssim": scores},
        },
        "system": {"generated": str(folder)},
    }
    file.write_text(json.dumps(data))


def test_it_prints_a_table_with_file_stems_as_labels(material, capsys):
    assert main(["compare", str(material / "ours.json"), str(material / "theirs.json")]) == 0
    text = capsys.readouterr().out
    assert "|  | ours | theirs |" in text
    assert "| ssim ↑ | **0.500** | 0.400 |" in text
    assert "-0.100 [-0.300, +0.100], p = 0.750 |" in text  # 6 of 8 signs are as far from 0


def test_labels_can_be_given(material, capsys):
    files = [f"x={material / 'ours.json'}", str(material / "ours.json")]
    assert main(["compare", *files]) == 0
    assert "|  | x | ours |" in capsys.readouterr().out


def test_out_holds_tables_json_and_grid(material, capsys):
    files = [str(material / "ours.json"), str(material / "theirs.json")]
    out = material / "out"
    words = ["--out", str(out), "--images", str(material / "photos"), "--json", str(out) + ".json"]
    assert main(["compare", *files, *words]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("comparison.json", "grid.png", "table.md", "table.tex"),
    ]
    assert capsys.readouterr().out == (out / "table.md").read_text(encoding="utf-8")
    found = json.loads((out / "comparison.json").read_text())
    assert found == json.loads((material / "out.json").read_text())
    assert found["systems"]["theirs"]["minus_first"]["ssim"]["value"] == pytest.approx(-0.1)
    grid = np.array(Image.open(out / "grid.png"))
    teal = (grid == (0, 128, 128)).all(axis=2)
    assert teal.sum() == 6 * 4 * 4 * 64 * 32  # three pairs, two systems, enlarged four times


@pytest.mark.parametrize("format", ["json", "latex", "markdown"])
def test_the_format_is_what_is_printed_and_nothing_else(material, capsys, format):
    files = [str(material / "ours.json"), str(material / "theirs.json")]
    assert main(["compare", *files, "--out", str(material / "out"), "--format", format]) == 0
    text = capsys.readouterr().out
    name = {"json": "comparison.json", "latex": "table.tex", "markdown": "table.md"}[format]
    assert text == (material / "out" / name).read_text(encoding="utf-8")


def test_pictures_elsewhere_are_named_and_missing_ones_told(material, capsys):
    (material / "theirs-pictures").rename(material / "moved")
    files = [str(material / "ours.json"), str(material / "theirs.json")]
    words = ["--out", str(material / "out"), "--images", str(material / "photos")]
    assert main(["compare", *files, *words]) == 0
    assert "no pictures of theirs in the grid" in capsys.readouterr().err
    narrow = Image.open(material / "out" / "grid.png").width
    assert main(["compare", *files, *words, "--generated", f"theirs={material / 'moved'}"]) == 0
    assert capsys.readouterr().err == ""
    assert Image.open(material / "out" / "grid.png").width > narrow


def test_other_protocols_need_a_flag(material, capsys):
    write(material / "theirs.json", [0.1, 0.2, 0.3], material, protocol="patn-2019")
    words = ["compare", str(material / "ours.json"), str(material / "theirs.json")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "name" in error
    assert "--across-protocols" in error
    assert main([*words, "--across-protocols"]) == 0
    assert "ACROSS PROTOCOLS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "two or more reports, got 0"),
        (["ours.json"], "two or more reports, got 1"),
        (["ours.json", "none.json"], "does not exist"),
        (["ours.json", "x=ours-pictures"], "cannot be read"),
        (["ours.json", "photos/s0.png"], "cannot be read"),
        (["ours.json", "ours.json"], "NAME=FILE"),
        (["ours.json", "theirs.json", "--images", "photos"], "--out"),
        (["ours.json", "theirs.json", "--images", "none", "--out", "o"], "does not exist"),
        (["ours.json", "theirs.json", "--generated", "x"], "NAME=DIR"),
        (["ours.json", "theirs.json", "--generated", "ours=none"], "does not exist"),
        (["ours.json", "theirs.json", "--json", "none/a.json"], "does not exist"),
        (["ours.json", "theirs.json", "--only", "mood"], "mood"),
        (
            ["ours.json", "theirs.json", "--images", "photos", "--out", "o", "--metric", "mood"],
            "choose one of ssim",
        ),
    ],
)
def test_mistakes_give_one_line_and_exit_code_2(material, monkeypatch, capsys, words, complaint):
    monkeypatch.chdir(material)
    assert main(["compare", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert complaint in error
    assert not (material / "o").exists()
