"""The pair rule, the test sample and the pair table."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from deformgan.datasets.nobody import NOBODY
from deformgan.datasets.pairs import (
    build_pairs,
    ordered_pairs,
    pair_rows,
    read_pairs,
    sample_test_pairs,
    write_pairs,
)
from deformgan.errors import InputError
from deformgan.pose_formats import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18


@pytest.fixture(scope="module")
def table(golden):
    """Names, pairs by the rule, and the folder of the tables."""
    annotations = read_annotation_csv(golden / "tables" / "annotations.csv")
    people = torch.tensor([not name.startswith(NOBODY) for name in annotations.names])
    usable = annotations.pose.usable(OPENPOSE18) & people
    identities = [name.partition("_")[0] for name in annotations.names]
    return annotations.names, usable, ordered_pairs(identities, usable), golden / "tables"


def named(names, pairs):
    return [(names[source], names[target]) for source, target in pairs.tolist()]


def test_the_authors_filter_keeps_the_same_images(table):
    names, usable, _, folder = table
    meta = json.loads((folder / "pairs_meta.json").read_text())
    assert len(names) == meta["n_rows"]
    assert [name for name, use in zip(names, usable, strict=True) if use] == meta["valid"]


def test_the_authors_pairs_come_in_the_same_order(table):
    names, _, pairs, folder = table
    assert named(names, pairs) == read_pairs(folder / "pairs_all.csv")


@pytest.mark.parametrize("count", [10, 25])
def test_the_authors_test_sample_is_drawn(table, count):
    names, _, pairs, folder = table
    sampled = sample_test_pairs(pairs, count)
    assert named(names, sampled) == read_pairs(folder / f"pairs_test_n{count}.csv")


@dataclass
class Named:
    """A data set whose images have names, as `NamedPairs` asks."""

    names: list[str]
    pairs: Tensor


def test_pair_lists_of_a_data_set_are_the_authors(table):
    names, _, pairs, folder = table
    data = Named(names, pairs)
    assert build_pairs(data) == read_pairs(folder / "pairs_all.csv")
    assert build_pairs(data, 25) == read_pairs(folder / "pairs_test_n25.csv")
    assert build_pairs(data, 25, seed=1) != build_pairs(data, 25)
    assert torch.equal(pair_rows(names, build_pairs(data)), pairs)


def test_names_that_are_no_images_are_refused():
    assert pair_rows(["a", "b"], [("b", "a"), ("a", "a")]).tolist() == [[1, 0], [0, 0]]
    assert pair_rows(["a"], []).shape == (0, 2)
    with pytest.raises(InputError, match="contains 'c', which is none of the 2 images"):
        pair_rows(["a", "b"], [("a", "c")])


def test_the_rule_by_hand():
    identities = ["b", "a", "b", "c", "a", "b", "a"]
    usable = torch.tensor([False, True, True, True, True, True, False])
    # b's first image is unusable, so a comes first; c has no partner.
    assert ordered_pairs(identities, usable).tolist() == [[1, 4], [4, 1], [2, 5], [5, 2]]


def test_nobody_usable_gives_no_pairs():
    assert ordered_pairs(["a", "a"], torch.zeros(2, dtype=torch.bool)).shape == (0, 2)


def test_a_sample_is_without_replacement_and_at_most_all():
    pairs = torch.arange(200).reshape(100, 2)
    sample = sample_test_pairs(pairs, 60)
    assert len(sample) == 60
    assert len(set(sample[:, 0].tolist())) == 60
    assert sorted(sample_test_pairs(pairs)[:, 0].tolist()) == pairs[:, 0].tolist()
    assert not torch.equal(sample_test_pairs(pairs, 60, seed=1), sample)


def test_a_pair_table_survives_a_round_trip(tmp_path):
    pairs = [("a.jpg", "b.jpg"), ("b.jpg", "a, again.jpg")]
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "pairs.csv") == pairs
    assert (tmp_path / "pairs.csv").read_text().startswith("from,to\na.jpg,b.jpg\n")
    assert [file.name for file in tmp_path.iterdir()] == ["pairs.csv"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the header"),
        ("source,target\na,b\n", "line 1: the header"),
        ("from,to\na,b\n\na\n", "line 4: a line must be two names"),
        ("from,to\na,b,c\n", "line 2: a line must be two names"),
        ("from,to\na,\n", "line 2: a line must be two names"),
    ],
)
def test_a_malformed_pair_table_is_refused(tmp_path, text, complaint):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_pairs(tmp_path / "pairs.csv")


def test_an_absent_pair_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_pairs(tmp_path / "pairs.csv")
