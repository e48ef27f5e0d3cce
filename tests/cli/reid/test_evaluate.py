"""`deformgan reid evaluate`: from folders to a report."""

import json

import numpy as np
import pytest
from PIL import Image

from deformgan.cli.main import main

METRICS = ["rank1", "rank5", "rank10", "rank20", "map", "map_trapezoid", "minp"]


@pytest.fixture
def market(tmp_path):
    """Query, gallery and training people, with vectors that are known."""
    random = np.random.default_rng(0)
    names, vectors = [], []
    root = tmp_path / "market"
    for folder, people, cameras in (
        ("query", range(5), (1,)),
        ("bounding_box_test", range(-1, 6), (1, 2, 3)),
        ("bounding_box_train", range(10, 20), (1, 2, 3)),
    ):
        (root / folder).mkdir(parents=True)
        for who in people:
            for camera in cameras:
                label = "-1" if who < 0 else f"{who:04d}"
                name = f"{label}_c{camera}s1_{len(names):06d}_00.png"
                pixels = random.integers(0, 256, (64, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / name)
                names.append(name)
                centre = np.random.default_rng(who + 1).normal(size=8)
                vectors.append(centre + 0.3 * random.normal(size=8))
    np.savez(tmp_path / "vectors.npz", names=np.array(names), vectors=np.array(vectors))
    return root


def evaluate(market, *flags):
    vectors = str(market.parent / "vectors.npz")
    return main(["reid", "evaluate", "--extractor", vectors, *flags])


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "kissme", "xqda"])
def test_a_report_is_written(market, tmp_path, capsys, distance):
    flags = ["--data", str(market), "--distance", distance, "--multi-query"]
    assert not evaluate(market, *flags, "--json", str(tmp_path / "r.json"))
    report = json.loads((tmp_path / "r.json").read_text())
    for part in ("metrics", "reranked"):
        assert list(report[part]) == METRICS
        assert all(0 <= metric["value"] <= 1 for metric in report[part].values())
    # Every person, also 0000, of whom there are queries, is found by two more cameras.
    assert report["counts"] == {
        "queries": 5,
        "queries_without_match": 0,
        "gallery": 18,
        "junk": 3,
        "distractors": 0,
        "same_camera_per_query": 1.0,
    }
    assert report["metrics"]["rank1"]["value"] > 0.6
    assert "queries_without_match 0" in capsys.readouterr().out


def test_0000_among_the_queries_can_be_nobody(market, tmp_path):
    flags = ["--data", str(market), "--nobody", "-1", "0000", "--no-rerank"]
    assert not evaluate(market, *flags, "--json", str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text())["counts"] == {
        "queries": 5,
        "queries_without_match": 1,
        "gallery": 18,
        "junk": 3,
        "distractors": 3,
        "same_camera_per_query": 0.8,
    }


def test_re_ranking_can_be_left_out(market, tmp_path):
    flags = ["--data", str(market), "--no-rerank", "--json", str(tmp_path / "r.json")]
    assert not evaluate(market, *flags)
    assert json.loads((tmp_path / "r.json").read_text())["reranked"] is None


def test_folders_give_what_the_data_set_gives(market, tmp_path):
    evaluate(market, "--data", str(market), "--json", str(tmp_path / "a.json"))
    folders = ["--query", str(market / "query"), "--gallery", str(market / "bounding_box_test")]
    evaluate(market, *folders, "--json", str(tmp_path / "b.json"))
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert one == other


def test_photos_are_shown_to_a_network(market, tmp_path):
    words = ["reid", "evaluate", "--extractor", "person_embedding", "--data", str(market)]
    assert not main([*words, "--json", str(tmp_path / "r.json")])
    assert json.loads((tmp_path / "r.json").read_text())["extractor"] == "person_embedding"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "Give --query and --gallery"),
        (["--query", "q"], "Give --query and --gallery"),
        (["--query", "q", "--gallery", "g"], "does not exist"),
        (["--data", "absent"], "has no test set"),
        (["--query", "Q", "--gallery", "G", "--distance", "xqda"], "add --train DIR"),
        (["--data", "D", "--distance", "xqda", "--train", "T"], "who is also a query"),
        (["--data", "D", "--device", "tpu"], "'tpu' is not available"),
    ],
)
def test_a_mistake_is_one_line(market, tmp_path, capsys, flags, sentence):
    places = {
        "Q": str(market / "query"),
        "G": str(market / "bounding_box_test"),
        "D": str(market),
        "T": str(market / "bounding_box_test"),
    }
    words = [places.get(word, word) for word in flags]
    assert evaluate(market, *words, "--json", str(tmp_path / "r.json")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("layout", ["first-pair", "extracted", "new-protocol"])
def test_cuhk03_is_evaluated_by_both_protocols(write_cuhk03, tmp_path, capsys, layout):
    data = tmp_path / "cuhk03"
    parts = write_cuhk03(layout, data)
    names = sorted({name for listed in parts.values() for name in listed})
    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(names), 4))
    np.savez(tmp_path / "vectors.npz", names=names, vectors=vectors)
    flags = ["--data", str(data), "--json", str(tmp_path / "r.json")]
    assert not evaluate(data, *flags)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["protocol"] == "multi-shot"
    assert report["counts"]["queries"] == len(parts["query"])
    assert report["counts"]["gallery"] == len(parts["gallery"])
    single = ["--protocol", "single-shot", "--repeats", "3", "--distance", "xqda", "--multi-query"]
    assert not evaluate(data, *flags, *single)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["protocol"] == "single-shot"
    tested = {*parts["query"], *parts["gallery"]}
    assert report["counts"]["repeats"] == 3
    assert report["counts"]["queries"] == len(tested) // 2
    assert report["counts"]["gallery"] == 2  # people
    for part in ("metrics", "reranked"):
        assert list(report[part]) == ["rank1", "rank5", "rank10", "rank20", "map"]
        assert report[part]["rank5"]["value"] == 1
    assert "repeats 3" in capsys.readouterr().out


def test_single_shot_is_for_two_cameras(market, tmp_path, capsys):
    assert evaluate(market, "--data", str(market), "--protocol", "single-shot") == 2
    assert "is for photos by two cameras, as in CUHK03; these are by 3" in capsys.readouterr().err
