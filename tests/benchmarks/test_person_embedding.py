"""The benchmark of embeddings: its histogram, its searches, its report."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from deformgan.datasets.bundled_people import FOLDER as PEOPLE
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import build_pairs, pair_rows, write_pairs

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark_module(load_benchmark):
    """The script, imported."""
    return load_benchmark("person_embedding")


@pytest.fixture
def crowd(tmp_path):
    """The bundled people as a data set of its own, a quarter of whom are to be tested on."""
    folder = tmp_path / "crowd"
    shutil.copytree(PEOPLE, folder)
    everybody = sorted(set(Market1501(folder).identities))
    test = everybody[::4]
    parts = {"train": [who for who in everybody if who not in test], "test": test}
    (folder / "identity-split.json").write_text(json.dumps(parts))
    return folder


def test_the_histogram_counts_colours_wherever_they_are(benchmark_module):
    images = torch.randint(256, (3, 3, 8, 6), dtype=torch.uint8)
    vectors = benchmark_module.colour_histogram(images)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    moved = images.flatten(2)[..., torch.randperm(48)].unflatten(2, (8, 6))
    torch.testing.assert_close(benchmark_module.colour_histogram(moved), vectors)
    count = torch.zeros(6, 6, 6)
    for red, green, blue in images[0].flatten(1).T.tolist():
        count[red * 6 // 256, green * 6 // 256, blue * 6 // 256] += 1
    torch.testing.assert_close(vectors[0].square() * 48, count.flatten())


def test_vectors_that_are_the_person_find_everybody_and_constant_ones_nobody(
    benchmark_module, crowd
):
    people = Market1501(crowd, split="test")
    who = benchmark_module.number_people(people)
    perfect = benchmark_module.search_and_compare(people, torch.eye(int(who.max()) + 1)[who])
    assert perfect["rank1"] == perfect["map"] == perfect["same_above_stranger"] == 1.0
    assert (perfect["cosine_same_person"], perfect["cosine_strangers"]) == (1.0, 0.0)
    blind = benchmark_module.search_and_compare(people, torch.ones(len(people), 1))
    assert blind["map"] < 0.5


def test_source_and_target_are_not_there_to_be_found(benchmark_module, crowd):
    people = Market1501(crowd, split="test")
    pairs = pair_rows(people.names, build_pairs(people, 20))
    vectors = torch.eye(len(people))  # every photo is like itself alone
    results = benchmark_module.compare_generated(people, pairs, vectors, vectors[pairs[:, 1]])
    assert results["generated"] == results["target photo"]
    assert results["generated"]["cosine_target"] == 1.0
    assert results["target photo"]["map"] < 0.5
    assert results["source photo"]["map"] < 0.5


def test_reports_the_bundled_embedding_beside_the_histogram(
    benchmark_module, crowd, tmp_path, monkeypatch
):
    monkeypatch.setattr(benchmark_module, "PAIR_LIST", tmp_path / "pairs.csv")
    write_pairs(tmp_path / "pairs.csv", build_pairs(Market1501(crowd, split="test"), 4))
    benchmark_module.main(crowd, pairs=4, json=tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    ours, histogram = report["embeddings"].values()
    assert ours["real"]["map"] > histogram["real"]["map"]
    assert set(ours["generated"]) == {"target photo", "generated", "source photo"}
    low, high = ours["real"]["map_ci95"]
    assert low <= ours["real"]["map"] <= high
    assert report["weights_sha256"]
