"""Our own pose file."""

import json

import pytest
import torch

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations, read_pose, write_deformgan_json
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18


def write(tmp_path, **changes):
    content = {
        "skeleton": "openpose18",
        "size": [128, 64],
        "poses": {"b": {"nose": [31.5, 18], "left_ear": None}, "a": {"neck": [1, 2]}},
    } | changes
    path = tmp_path / "poses.json"
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))
    return path


def test_joints_go_by_name_and_those_left_out_or_null_are_missing(tmp_path):
    annotations = read_annotations(write(tmp_path))
    assert annotations.names == ["b", "a"]
    assert annotations.size == (128, 64)
    pose = annotations["b"]
    assert pose.visible[0].nonzero().flatten().tolist() == [OPENPOSE18.index("nose")]
    assert pose.joints[0, OPENPOSE18.index("nose")].tolist() == [31.5, 18]
    assert annotations["a"].joints[0, OPENPOSE18.index("neck")].tolist() == [1, 2]


def test_the_size_may_be_left_out(tmp_path):
    assert read_annotations(write(tmp_path, size=...)).size is None


@pytest.mark.parametrize("size", [None, (256, 176)])
def test_an_animation_survives_a_round_trip(tmp_path, size):
    joints = (torch.rand(12, 18, 2) * 300 - 20).mul(1000).round().div(1000)
    visible = torch.rand(12, 18) < 0.8
    visible[3] = False
    names = [f'walk "{i}" ä' for i in range(12)]
    path = tmp_path / "walk.json"
    write_deformgan_json(path, Annotations(names, Pose(joints, visible), size))
    again = read_annotations(path)
    assert again.names == names
    assert again.size == size
    assert torch.equal(again.pose.visible, visible)
    torch.testing.assert_close(again.pose.joints[visible], joints[visible], rtol=0, atol=5e-4)
    assert [file.name for file in tmp_path.iterdir()] == ["walk.json"]


@pytest.mark.parametrize("flags", [{}, {"a": {"nose": "time", "left_ear": "twin"}}])
def test_repaired_joints_are_listed_beside_the_poses_which_read_as_ever(tmp_path, flags):
    pose = Pose(50 * torch.rand(1, 18, 2), torch.ones(1, 18, dtype=torch.bool))
    plain, flagged = tmp_path / "plain.json", tmp_path / "flagged.json"
    write_deformgan_json(plain, Annotations(["a"], pose))
    write_deformgan_json(flagged, Annotations(["a"], pose), repaired=flags)
    content = json.loads(flagged.read_text())
    assert content.pop("repaired") == flags
    assert content == json.loads(plain.read_text())
    assert torch.equal(read_annotations(flagged).pose.joints, read_annotations(plain).pose.joints)


def test_a_file_without_poses_survives_too(tmp_path):
    empty = Annotations([], Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool)))
    write_deformgan_json(tmp_path / "none.json", empty)
    assert len(read_annotations(tmp_path / "none.json")) == 0


def test_one_name_for_two_poses_cannot_be_written(tmp_path):
    pose = Pose(torch.zeros(2, 18, 2), torch.ones(2, 18, dtype=torch.bool))
    with pytest.raises(ValueError, match="twice"):
        write_deformgan_json(tmp_path / "a.json", Annotations(["a", "a"], pose))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"skeleton": "dog20"}, "unknown skeleton 'dog20'; choose one of coco17, face68"),
        ({"skeleton": 18}, "unknown skeleton 18"),
        ({"size": [128]}, r"'size' is \[128\]"),
        ({"size": [128, 0]}, r"'size' is \[128, 0\]"),
        ({"poses": [1]}, "'poses' is not an object"),
        ({"poses": {"a": [1]}}, "pose 'a' is not an object"),
        ({"poses": {"a": {"tail": [1, 2]}}}, "an unknown joint 'tail'; the joints of"),
        ({"poses": {"a": {"nose": [1]}}}, r"'nose' of pose 'a' is not \[x, y\]"),
        ({"poses": {"a": {"nose": [1, float("nan")]}}}, r"'nose' of pose 'a' is not \[x, y\]"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        read_pose(write(tmp_path, **changes))
