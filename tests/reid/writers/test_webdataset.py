"""Tar shards, read by the library that they are for."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets import Market1501
from deformgan.pose import Pose
from deformgan.reid.manifest import read_manifest
from deformgan.reid.writers import open_writer
from deformgan.reid.writers import webdataset as writer_module


@pytest.fixture
def wds():
    return pytest.importorskip("webdataset", reason="needs the extra scale")


def read(wds, out, pattern):
    files = sorted(str(path) for path in out.glob(pattern))
    return list(wds.WebDataset(files, shardshuffle=False).decode("rgb8"))


def pose_of(joints):
    visible = torch.tensor([[xy is not None for xy in joints]])
    return Pose(torch.tensor([[xy or [0.0, 0.0] for xy in joints]]), visible)


def test_the_library_reads_what_was_written(market, write, finished, wds):
    data = market()
    out = write("webdataset", data.parent / "out", data, "new")
    samples = read(wds, out, "train-*.tar")
    photos = Market1501(data)
    items = finished(photos, data, "new")
    assert [s["json"]["name"] for s in samples] == [*photos.names, *(i.photo.name for i in items)]
    for sample, item in zip(samples[len(photos) :], items, strict=True):
        about = sample["json"]
        expected = np.asarray(Image.open(io.BytesIO(item.jpeg)))
        np.testing.assert_array_equal(sample["jpg"], expected)
        assert about["generated"] is True
        assert {key: about[key] for key in vars(item.photo)} == vars(item.photo)
        pose, asked = pose_of(about["joints"]), item.pose
        assert pose.visible.equal(asked.visible)
        torch.testing.assert_close(pose.joints[pose.visible], asked.joints[asked.visible])
    for row, sample in enumerate(samples[: len(photos)]):
        about = sample["json"]
        assert (about["identity"], about["camera"], about["generated"]) == (
            photos.identities[row],
            int(photos.cameras[row]),
            False,
        )
        pose = pose_of(about["joints"])
        seen = photos.poses.visible[[row]]
        assert pose.visible.equal(seen)
        torch.testing.assert_close(pose.joints[seen], photos.poses.joints[[row]][seen])


def test_shards_have_numbers_without_gaps_and_originals_come_first(
    market, finished, monkeypatch, wds
):
    monkeypatch.setattr(writer_module, "PER_SHARD", 2)
    data = market()
    photos = Market1501(data)
    out = data.parent / "out"
    writer = open_writer("webdataset", out, photos, data)
    for number, item in enumerate(finished(photos, data)):
        writer.write_shard(number, [item])
    writer.finish()
    names = sorted(path.name for path in out.glob("train-*.tar"))
    assert names == [f"train-{number:06d}.tar" for number in range(3 + 10)]
    generated = [sample["json"]["generated"] for sample in read(wds, out, "train-*.tar")]
    assert generated == [False] * 5 + [True] * 10


def test_photos_to_test_on_are_shards_of_their_own(market, write, wds):
    data = market()
    out = write("webdataset", data.parent / "out", data)
    query, gallery = read(wds, out, "query-*.tar"), read(wds, out, "gallery-*.tar")
    assert [s["json"]["identity"] for s in query] == ["1501", "1501"]
    assert sorted(s["json"]["identity"] for s in gallery) == ["-1", "0000", "1501", "1501"]
    assert all(s["json"]["joints"] is None for s in gallery)


def test_members_know_neither_time_nor_owner(market, write):
    data = market()
    out = write("webdataset", data.parent / "out", data)
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
                assert (member.uname, member.gname, member.mode) == ("", "", 0o644)


def test_a_photo_keeps_its_bytes(market, write):
    data = market()
    out = write("webdataset", data.parent / "out", data)
    with tarfile.open(out / "train-000000.tar") as tar:
        for name in Market1501(data).names:
            member = tar.extractfile(name)
            assert member is not None
            assert member.read() == (data / "bounding_box_train" / name).read_bytes()


def test_a_name_with_two_dots_is_one_sample(market, write, wds):
    data = market()
    folder = data / "bounding_box_test"
    (folder / "0000_c1s1_000151_01.jpg").rename(folder / "0000_c1s1_000151_01.jpg.jpg")
    samples = read(wds, write("webdataset", data.parent / "out", data), "gallery-*.tar")
    assert "0000_c1s1_000151_01.jpg.jpg" in [s["json"]["name"] for s in samples]
    assert all("jpg" in sample for sample in samples)


def test_the_manifest_lies_beside(market, write):
    data = market()
    out = write("webdataset", data.parent / "out", data)
    assert len(read_manifest(out / "manifest.jsonl")) == 10
    assert sorted(path.name for path in out.iterdir() if path.suffix != ".tar") == [
        "augment.json",
        "manifest.jsonl",
    ]
