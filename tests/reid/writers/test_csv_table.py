"""A table that says all of every photo."""

import csv

import pytest

from deformgan.datasets import Market1501
from deformgan.reid.manifest import read_manifest
from deformgan.reid.person_photos import query_and_gallery


@pytest.fixture
def out(market, write):
    data = market()
    return write("csv", data.parent / "out", data, "new")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_photo_has_a_row_and_every_row_a_photo(out):
    for part, count in (("train", 15), ("query", 2), ("gallery", 4)):
        table = rows(out / f"{part}.csv")
        assert len(table) == count
        assert {row["name"] for row in table} == {p.name for p in (out / part).iterdir()}


def test_the_columns_are_those_promised(out):
    header = (out / "train.csv").read_text().splitlines()[0]
    assert header == "name,identity,camera,generated,label,source,target"


def test_rows_say_what_the_manifest_says_and_nothing_more_of_originals(out):
    table = {row["name"]: row for row in rows(out / "train.csv")}
    for photo in read_manifest(out / "manifest.jsonl"):
        row = table.pop(photo.name)
        assert row == {
            "name": photo.name,
            "identity": photo.identity,
            "camera": str(photo.camera),
            "generated": "1",
            "label": "new",
            "source": photo.source,
            "target": photo.target,
        }
    assert len(table) == 5
    for row in table.values():
        assert [row[key] for key in ("generated", "label", "source", "target")] == ["0", "", "", ""]
    assert table["0007_c15s2_000801_01.jpg"]["camera"] == "15"


def test_joints_lie_beside(out):
    read = Market1501(out / "train", annotations=out / "train-joints.csv")
    assert len(read) == 15
    test = Market1501(out / "gallery", "all", annotations=out / "gallery-joints.csv")
    assert set(test.identities) == {"1501"}


def test_a_data_set_without_test_gets_no_empty_tables(market, write):
    data = market("neither", name="other")
    out = write("csv", data.parent / "out2", data)
    assert sorted(path.name for path in out.glob("*.csv")) == ["train-joints.csv", "train.csv"]


def test_photos_to_test_on_are_those_of_the_data_set(market, write):
    data = market("split", name="other")
    out = write("csv", data.parent / "out2", data)
    for part, photos in zip(("query", "gallery"), query_and_gallery(data), strict=True):
        assert [row["name"] for row in rows(out / f"{part}.csv")] == photos.names
