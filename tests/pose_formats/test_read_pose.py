"""Any pose file is told by its content."""

import json

import pytest
import torch

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import (
    Annotations,
    read_annotations,
    read_pose,
    read_single,
    write_annotations,
)
from deformgan.pose_formats.annotation_csv import HEADER


@pytest.fixture
def walk():
    joints = torch.arange(3 * 18 * 2, dtype=torch.float32).reshape(3, 18, 2)
    names = ["w_0.jpg", "w_1.jpg", "w:2"]
    return Annotations(names, Pose(joints, torch.ones(3, 18, dtype=torch.bool)))


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_one_of_several_poses_is_named_behind_a_colon(walk, tmp_path, suffix):
    path = tmp_path / f"walk{suffix}"
    write_annotations(path, walk.select(["w_0.jpg", "w_1.jpg"]))
    for spec, name in [(f"{path}:w_1.jpg", None), (path, "w_1.jpg"), (str(path), "w_1.jpg")]:
        pose = read_pose(spec, name)
        assert torch.equal(pose.joints, walk["w_1.jpg"].joints)
        assert len(pose) == 1


def test_a_file_with_one_pose_needs_no_name(walk, tmp_path):
    path = tmp_path / "one.json"
    write_annotations(path, walk.select(["w:2"]))
    assert torch.equal(read_pose(path).joints, walk["w:2"].joints)
    assert torch.equal(read_pose(path, "w:2").joints, walk["w:2"].joints)


def test_a_file_with_several_poses_needs_one(walk, tmp_path):
    path = tmp_path / "walk.json"
    write_annotations(path, walk)
    with pytest.raises(InputError, match=r"has 3 poses; choose one: '.*walk.json:NAME'"):
        read_pose(path)
    with pytest.raises(InputError, match=r"no pose named 'w_9.jpg'; it has 3: w_0.jpg, w_1.jpg"):
        read_pose(f"{path}:w_9.jpg")


def test_a_file_whose_own_name_has_a_colon_is_read(walk, tmp_path):
    path = tmp_path / "a:b.json"
    write_annotations(path, walk.select(["w:2"]))
    assert torch.equal(read_pose(path).joints, walk["w:2"].joints)


def test_content_decides_not_the_suffix(walk, tmp_path):
    write_annotations(tmp_path / "walk.csv", walk.select(["w_0.jpg"]))
    text = (tmp_path / "walk.csv").read_text()
    assert text.startswith(HEADER)
    (tmp_path / "walk.txt").write_text(text)
    assert torch.equal(read_pose(tmp_path / "walk.txt").joints, walk["w_0.jpg"].joints)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"joints": []}', "has an unknown format"),
        (b"[1, 2]", "has an unknown format"),
        (b'"x"', "has an unknown format"),
        (b'{\n"skeleton":', "line 2: invalid JSON"),
        (b"\xff\xd8\xff\xe0", "not a text file"),
        (b"", "line 1: invalid JSON"),
    ],
)
def test_what_is_no_pose_file_is_refused_with_what_is(tmp_path, content, complaint):
    path = tmp_path / "pose.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as error:
        read_pose(path)
    for known in ("annotation table", "skeleton", "OpenPose", "COCO"):
        assert known in str(error.value)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent.json cannot be read: No such file"):
        read_pose(tmp_path / "absent.json")
    with pytest.raises(InputError, match=r"absent.csv:a.jpg cannot be read"):
        read_pose(f"{tmp_path}/absent.csv:a.jpg")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_annotations(tmp_path)


def test_only_known_suffixes_are_written(walk, tmp_path):
    with pytest.raises(InputError, match=r"end in .csv or .json"):
        write_annotations(tmp_path / "walk.txt", walk)
    assert json.dumps(sorted(file.name for file in tmp_path.iterdir())) == "[]"


def test_a_single_pose_brings_its_name_and_the_size_of_its_image(walk, tmp_path):
    path = tmp_path / "walk.json"
    write_annotations(path, Annotations(walk.names, walk.pose, size=(128, 64)))
    single = read_single(f"{path}:w_1.jpg")
    assert (single.names, single.size) == (["w_1.jpg"], (128, 64))
    assert torch.equal(single.pose.joints, walk["w_1.jpg"].joints)
