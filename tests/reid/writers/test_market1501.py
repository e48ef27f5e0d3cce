"""The layout of Market-1501: a drop-in for whoever reads the original."""

import json

import numpy as np
import pytest
import torch

from deformgan.datasets import Market1501
from deformgan.datasets.doctor import examine
from deformgan.datasets.splits import NoTestSplitError, refuse_leaks
from deformgan.photo_file import read_photo
from deformgan.pose_formats import read_annotation_csv
from deformgan.reid.manifest import read_manifest
from deformgan.reid.person_photos import query_and_gallery
from deformgan.reid.writers import Finished, open_writer


def assert_same_poses(left, right, tolerance=0.0):
    assert left.visible.equal(right.visible)
    seen = left.visible[..., None]
    torch.testing.assert_close(left.joints * seen, right.joints * seen, atol=tolerance, rtol=0)


def test_the_folder_holds_this_and_nothing_else(market, write, tree):
    data = market()
    found = set(tree(write("market1501", data.parent / "out", data)))
    originals = {path.relative_to(data).as_posix() for path in data.rglob("*.jpg")}
    sources = {path for path in originals if path.startswith("bounding_box_train/")}
    generated = {f"{source[:-4]}g{number}.jpg" for source in sources for number in (1, 2)}
    assert found == originals | generated | {
        *("bounding_box_train", "bounding_box_test", "query", "manifest.jsonl", "augment.json"),
        *("market-annotation-train.csv", "market-annotation-test.csv"),
    }


def test_originals_and_photos_to_test_on_keep_their_bytes(market, write, tree):
    data = market()
    out = tree(write("market1501", data.parent / "out", data))
    before = {path: content for path, content in tree(data).items() if path.endswith(".jpg")}
    assert {path: out[path] for path in before} == before


@pytest.mark.parametrize("kind", ["official", "split", "neither"])
@pytest.mark.parametrize("rule", ["same", "new", "soft"])
def test_the_reader_gives_originals_and_generated_photos_with_the_asked_joints(
    market, write, finished, kind, rule
):
    data = market(kind)
    photos = Market1501(data)
    items = finished(photos, data, rule)
    read = Market1501(write("market1501", data.parent / "out", data, rule))
    assert read.names == photos.names + [item.photo.name for item in items]
    assert read.identities == photos.identities + [item.photo.identity for item in items]
    assert read.cameras.tolist() == [*photos.cameras.tolist(), *(i.photo.camera for i in items)]
    assert_same_poses(read.poses[list(range(len(photos)))], photos.poses)
    for row, item in enumerate(items, start=len(photos)):
        assert_same_poses(read.poses[[row]], item.pose)
    first = len(photos)
    assert read.paths[first].read_bytes() == items[0].jpeg
    pixels = read_photo(read.paths[first]).transpose(2, 0, 1)
    np.testing.assert_array_equal(read.images[first].numpy(), pixels)


def test_joints_between_pixels_are_kept_to_the_hundredth(market, finished):
    data = market()
    photos = Market1501(data)
    item = finished(photos, data)[0]
    item.pose.joints[:] += 0.126
    writer = open_writer("market1501", data.parent / "out", photos, data)
    writer.write_shard(0, [item])
    writer.finish(1)
    read = Market1501(data.parent / "out")
    assert_same_poses(read.poses[[len(photos)]], item.pose, tolerance=0.0051)


@pytest.mark.parametrize("rule", ["same", "new", "soft"])
@pytest.mark.parametrize("kind", ["official", "split"])
def test_the_photos_to_test_on_are_the_data_sets_own(market, write, kind, rule):
    data = market(kind)
    out = write("market1501", data.parent / "out", data, rule)
    for before, after in zip(query_and_gallery(data), query_and_gallery(out), strict=True):
        assert after.names == before.names
        assert after.identities == before.identities
        assert [p.read_bytes() for p in after.paths] == [p.read_bytes() for p in before.paths]
    refuse_leaks(Market1501(out, "train"), Market1501(out, "test"))


def test_people_to_test_on_leave_the_training_folder_of_a_split(market, write):
    data = market("split")
    out = write("market1501", data.parent / "out", data)
    assert not list((out / "bounding_box_train").glob("1501*"))
    assert not (out / "identity-split.json").exists()
    known = read_annotation_csv(out / "market-annotation-test.csv")
    before = read_annotation_csv(data / "market-annotation-train.csv")
    assert known.names == ["1501_c1s1_001051_00.jpg", "1501_c2s1_001051_00.jpg"]
    assert_same_poses(known.pose, before.select(known.names).pose)


def test_a_data_set_without_test_gives_one_without_test(market, write):
    data = market("neither")
    out = write("market1501", data.parent / "out", data)
    assert not (out / "query").exists()
    with pytest.raises(NoTestSplitError):
        Market1501(out, "test")


@pytest.mark.parametrize("rule", ["same", "new", "soft"])
@pytest.mark.parametrize("kind", ["official", "split"])
def test_the_doctor_finds_no_error(market, write, kind, rule):
    data = market(kind)
    assert not examine(data).of("error")
    found = examine(write("market1501", data.parent / "out", data, rule))
    assert not found.of("error")
    assert not set(found.of("warning")) - {"other-count", "equal-images", "missing-part"}


def test_new_identities_are_nobodys(market, write):
    data = market()
    out = write("market1501", data.parent / "out", data, "new")
    made = {photo.identity for photo in read_manifest(out / "manifest.jsonl")}
    assert made == {"1502", "1503", "1504"}
    assert (out / "bounding_box_train" / "1503_c15s2_000801_01g2.jpg").is_file()


def test_joints_of_originals_are_in_pixels_of_their_own_files(market, write):
    data = market(size=(150, 60))
    out = write("market1501", data.parent / "out", data)  # generated at 128x64
    before = read_annotation_csv(data / "market-annotation-train.csv")
    after = read_annotation_csv(out / "market-annotation-train.csv")
    assert_same_poses(after.select(before.names).pose, before.pose, tolerance=0.0051)
    assert Market1501(out, size=(128, 64), fit="stretch").images.shape[-2:] == (128, 64)


def test_only_the_photos_given_are_originals(market, finished):
    data = market()
    some = Market1501(data).of_people(["0002"])
    writer = open_writer("market1501", data.parent / "out", some, data)
    writer.write_shard(0, finished(some, data)[:1])
    writer.finish(1)
    assert Market1501(data.parent / "out").names == [
        *some.names,
        "0002_c1s1_000451_03g1.jpg",
    ]


def test_the_settings_are_written_down(market):
    data = market()
    open_writer("market1501", data.parent / "out", Market1501(data), data, {"seed": 3}).finish()
    settings = json.loads((data.parent / "out" / "augment.json").read_text())
    assert settings["writer"] == "market1501"
    assert settings["seed"] == 3
    assert settings["originals"] == 5


def test_a_pose_on_another_device_or_of_another_precision_is_written_alike(market, finished):
    data = market()
    photos = Market1501(data)
    items = finished(photos, data)
    for name, dtype in (("a", torch.float32), ("b", torch.float64)):
        writer = open_writer("market1501", data.parent / name, photos, data)
        writer.write_shard(0, [Finished(i.photo, i.jpeg, i.pose.to(dtype)) for i in items])
        writer.finish(1)
    tables = [(data.parent / name / "market-annotation-train.csv").read_bytes() for name in "ab"]
    assert tables[0] == tables[1]
