"""`deformgan data pairs`: the field's lists, and sets that are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deformgan.cli.main import main
from deformgan.datasets.pairs import read_pairs
from deformgan.pose_formats import read_annotation_csv


@pytest.fixture
def golden_set(golden, tmp_path) -> Path:
    """Images, all different, for the names of the golden annotation table."""
    root = tmp_path / "set"
    (root / "bounding_box_train").mkdir(parents=True)
    text = (golden / "tables" / "annotations.csv").read_text()
    (root / "annotation.csv").write_text(text)
    random = np.random.default_rng(0)
    for name in read_annotation_csv(root / "annotation.csv").names:
        picture = random.integers(0, 256, (8, 4, 3), dtype=np.uint8)
        Image.fromarray(picture).save(root / "bounding_box_train" / name)
    return root


@pytest.mark.parametrize("count", [None, 10, 25])
def test_the_authors_lists_come_out(golden, golden_set, tmp_path, capsys, count):
    out, report = tmp_path / "pairs.csv", tmp_path / "pairs.json"
    flags = [] if count is None else ["--count", str(count)]
    arguments = ["--out", str(out), "--json", str(report), *flags]
    assert main(["data", "pairs", str(golden_set), *arguments]) == 0
    name = "pairs_all.csv" if count is None else f"pairs_test_n{count}.csv"
    expected = read_pairs(golden / "tables" / name)
    assert read_pairs(out) == expected
    numbers = json.loads(report.read_text())
    meta = json.loads((golden / "tables" / "pairs_meta.json").read_text())
    assert numbers["usable"] == len(meta["valid"])
    assert numbers["pairs"] == len(expected)
    assert numbers["seed"] == (None if count is None else 0)
    assert f"{len(expected)} pairs" in capsys.readouterr().out


def test_another_seed_draws_others_of_the_same(golden, golden_set, tmp_path):
    lists = {}
    for seed in (0, 1):
        out = tmp_path / f"{seed}.csv"
        flags = ["--count", "10", "--seed", str(seed), "--out", str(out)]
        assert main(["data", "pairs", str(golden_set), *flags]) == 0
        lists[seed] = set(read_pairs(out))
    assert lists[0] != lists[1]
    assert lists[0] | lists[1] <= set(read_pairs(golden / "tables" / "pairs_all.csv"))


def test_each_split_has_its_own_people(golden_set, tmp_path):
    split = {"train": ["0002", "1500"], "test": ["0007", "0451"]}
    (golden_set / "identity-split.json").write_text(json.dumps(split))
    for part, people in split.items():
        out = tmp_path / f"{part}.csv"
        assert main(["data", "pairs", str(golden_set), "--split", part, "--out", str(out)]) == 0
        assert {name[:4] for pair in read_pairs(out) for name in pair} == set(people)


def test_splits_that_leak_are_refused_and_nothing_is_written(golden_set, tmp_path, capsys):
    out = tmp_path / "pairs.csv"
    split = {"train": ["0002", "0007"], "test": ["0007", "0451"]}
    (golden_set / "identity-split.json").write_text(json.dumps(split))
    for part in split:
        assert main(["data", "pairs", str(golden_set), "--split", part, "--out", str(out)]) == 2
        assert "0007 in both train and test" in capsys.readouterr().err
    # The same image under the names of two people, one on either side.
    split["train"].remove("0007")
    (golden_set / "identity-split.json").write_text(json.dumps(split))
    images = golden_set / "bounding_box_train"
    first, second = (min(images.glob(f"{who}_*")) for who in ("0002", "0007"))
    second.write_bytes(first.read_bytes())
    assert main(["data", "pairs", str(golden_set), "--out", str(out)]) == 2
    assert f"{first.name} in train is the same image as {second.name}" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--count", "0"], "--count is 0"),
        (["--seed", "-1", "--count", "3"], "--seed is -1"),
        (["--split", "test"], "no test set"),
        (["--split", "some"], "'train', 'test', 'all'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(golden_set, tmp_path, capsys, flags, complaint):
    out = tmp_path / "pairs.csv"
    assert main(["data", "pairs", str(golden_set), "--out", str(out), *flags]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count("\n") == 1
    assert not out.exists()


def test_a_set_without_any_pair_is_refused(golden_set, tmp_path, capsys):
    kept = ("0002_c3s3_050311_01.jpg", "1500_c4s1_038105_01.jpg")
    for image in (golden_set / "bounding_box_train").iterdir():
        if image.name not in kept:
            image.unlink()
    arguments = [str(golden_set), "--out", str(tmp_path / "pairs.csv")]
    assert main(["data", "pairs", *arguments]) == 2
    assert "has no pairs" in capsys.readouterr().err
