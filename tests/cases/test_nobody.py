"""People numbered from 0000 are people, and distractors stay distractors."""

import json

import numpy as np
import pytest
from PIL import Image

from deformgan.datasets.nobody import JUNK, NOBODY, find_nobody

TRAIN, TEST, QUERY = "bounding_box_train", "bounding_box_test", "query"
PERSON = (JUNK,)


def build(root, parts):
    """Write photos by folder ("" is the data set's own), given as identities, and return names."""
    names = []
    for part, people in parts.items():
        (root / part).mkdir(parents=True, exist_ok=True)
        for number, who in enumerate(people):
            name = f"{who}_c{number % 2 + 1}s1_{len(names):06d}_00.png"
            Image.new("RGB", (8, 16), (9 * number, 0, 0)).save(root / part / name)
            names.append(name)
    return names


@pytest.mark.parametrize(
    ("side", "parts", "nobody"),
    [
        ("train", {TRAIN: ["0000", "0001"], TEST: ["0002"], QUERY: ["0002"]}, PERSON),
        ("train", {TRAIN: ["0000", "0001"]}, PERSON),
        ("train", {"": ["0000", "0001"]}, PERSON),
        ("train", {TRAIN: ["0000"], TEST: ["-1", "0002"], QUERY: ["0002"]}, PERSON),
        ("train", {TRAIN: ["0000"], TEST: ["-1", "0000", "0002"], QUERY: ["0002"]}, PERSON),
        ("train", {"": ["-1", "0000", "0001"]}, NOBODY),
        ("train", {TRAIN: ["-1", "0000", "0001"]}, NOBODY),
        ("test", {TRAIN: ["0001"], TEST: ["0000", "0002"], QUERY: ["0000"]}, PERSON),
        ("test", {TRAIN: ["0001"], TEST: ["0000", "-1"], QUERY: ["0000"]}, PERSON),
        ("test", {TEST: ["0000", "0001"], QUERY: ["0000", "0001"]}, PERSON),
        ("test", {TRAIN: ["0000"], TEST: ["0000", "0002"], QUERY: ["0002"]}, PERSON),
        ("test", {TRAIN: ["0000"], TEST: ["-1", "0000", "0002"], QUERY: ["0002"]}, NOBODY),
        ("test", {TRAIN: ["0002"], TEST: ["-1", "0000", "0001"], QUERY: ["0001"]}, NOBODY),
        ("test", {TEST: ["0000", "0001"], QUERY: ["0001"]}, NOBODY),
        ("test", {TRAIN: ["000", "001"], TEST: ["0000"], QUERY: ["002"]}, NOBODY),
    ],
)
def test_the_data_decide_who_is_nobody(tmp_path, side, parts, nobody):
    build(tmp_path, parts)
    assert find_nobody(tmp_path, side) == nobody


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_identity_split_decides_too(tmp_path, part):
    build(tmp_path, {TRAIN: ["-1", "0000", "0001"]})
    split = {"train": ["0001"], "test": ["0002"]}
    split[part].append("0000")
    (tmp_path / "identity-split.json").write_text(json.dumps(split))
    assert find_nobody(tmp_path, "train") == find_nobody(tmp_path, "test") == PERSON


def evaluate(run, root, names, *words):
    """Return the counts that `reid evaluate` reports, and what it says."""
    vectors = np.eye(len(names), 64, dtype=np.float32) + 0.1
    np.savez(root / "v.npz", names=np.array(names), vectors=vectors)
    report = root / "r.json"
    options = ["--data", root, "--extractor", root / "v.npz", "--no-rerank", "--json", report]
    code, _, said = run("reid", "evaluate", *options, *words)
    assert code == 0, said
    return json.loads(report.read_text())["counts"], said


def test_queries_of_0000_are_asked(run, tmp_path):
    people = ["0000", "0000", "0001", "0001"]
    names = build(tmp_path, {TEST: people, QUERY: people[:3], TRAIN: ["0002"]})
    counts, said = evaluate(run, tmp_path, names)
    assert counts["queries_without_match"] == 0
    assert counts["distractors"] == 0
    assert said.count("\n") == 1
    assert "0000" in said
    assert "--nobody -1 0000" in said
    counts, said = evaluate(run, tmp_path, names, "--nobody", "-1", "0000")
    assert counts["queries_without_match"] == 2
    assert counts["distractors"] == 2
    assert said == ""


def test_distractors_of_market_stay_silent(run, tmp_path):
    parts = {TRAIN: ["0002"], TEST: ["0001", "0001", "0000", "-1"], QUERY: ["0001"]}
    counts, said = evaluate(run, tmp_path, build(tmp_path, parts))
    assert (counts["distractors"], counts["junk"], counts["gallery"]) == (1, 1, 3)
    assert said == ""


def test_0000_in_training_photos_and_beside_junk_in_the_gallery_is_no_leak(run, tmp_path):
    # As where training people are numbered anew, and the gallery is Market-1501's.
    parts = {TRAIN: ["0000", "0001"], TEST: ["0002", "0002", "0000", "-1"], QUERY: ["0002"]}
    counts, said = evaluate(run, tmp_path, build(tmp_path, parts))
    assert (counts["distractors"], counts["junk"], counts["gallery"]) == (1, 1, 3)
    assert said.count("\n") == 1
    assert "a person in training photos, as nobody beside junk in the gallery" in said
    report = tmp_path / "c.json"
    run("data", "check", tmp_path, "--json", report)
    assert "leak" not in {found["kind"] for found in json.loads(report.read_text())["findings"]}


def test_loose_folders_of_queries_and_photos_decide_too(run, tmp_path):
    names = build(tmp_path, {"q": ["0000", "0001"], "g": ["0000", "0000", "0001", "0001"]})
    np.savez(tmp_path / "v.npz", names=names, vectors=np.eye(6, 64, dtype=np.float32) + 0.1)
    report = tmp_path / "r.json"
    words = ["--query", tmp_path / "q", "--gallery", tmp_path / "g", "--no-rerank"]
    words = [*words, "--extractor", tmp_path / "v.npz", "--json", report]
    code, _, said = run("reid", "evaluate", *words)
    assert (code, said.count("\n")) == (0, 1)
    assert json.loads(report.read_text())["counts"]["distractors"] == 0


def test_other_distractors_can_be_named(run, tmp_path):
    parts = {TRAIN: ["0002"], TEST: ["0001", "0001", "9999", "-1"], QUERY: ["0001"]}
    names = build(tmp_path, parts)
    counts, _ = evaluate(run, tmp_path, names, "--nobody", "-1", "9999")
    assert (counts["distractors"], counts["junk"]) == (1, 1)


def pose_table(root, names):
    ys, xs = ([(7 * n) % hi for n in range(18)] for hi in (16, 8))
    rows = [f"{name}: {ys}: {xs}" for name in names]
    (root / "annotation.csv").write_text("\n".join(["name:keypoints_y:keypoints_x", *rows, ""]))


@pytest.mark.parametrize(("words", "people"), [((), 2), (("--nobody", "-1", "0000"), 1)])
def test_originals_and_pairs_of_0000_are_kept(run, tmp_path, words, people):
    names = build(tmp_path / "d", {TRAIN: ["0000", "0000", "0001", "0001"]})
    pose_table(tmp_path / "d", names)
    out = tmp_path / "p.csv"
    code, _, said = run("data", "pairs", tmp_path / "d", "--out", out, *words)
    assert code == 0, said
    assert len(out.read_text().splitlines()) == 1 + 2 * people
    report = tmp_path / "c.json"
    run("data", "check", tmp_path / "d", "--json", report, *words)
    found = json.loads(report.read_text())
    assert found["counts"]["images"][TRAIN]["identities"] == people
    kinds = {finding["kind"] for finding in found["findings"]}
    assert ("numbered-from-0" in kinds) == (people == 2)
    assert ("distractor" in kinds) == (people == 1)


def test_0000_is_learned_from(tmp_path):
    from deformgan.reid.leaks import TestSide
    from deformgan.reid.training_photos import training_people

    parts = {TRAIN: ["0000", "0001"], QUERY: ["0002"], TEST: ["0002"]}
    build(tmp_path, parts)
    assert training_people(tmp_path).identities == ["0000", "0001"]
    assert training_people(tmp_path, nobody=NOBODY).identities == ["0001"]
    build(tmp_path / "t", {TRAIN: ["0001"], QUERY: ["0000"], TEST: ["0000", "-1"]})
    assert TestSide.of(tmp_path / "t", (16, 8)).people == {"0000"}
