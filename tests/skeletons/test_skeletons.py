"""The built-in skeletons, and finding one by name or file."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import deformgan.skeletons
from deformgan.affine import part_transforms
from deformgan.errors import InputError
from deformgan.parts import part_masks, unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons import (
    SKELETONS,
    find_skeleton,
    find_skeleton_file,
    skeleton_from_json,
    skeleton_to_json,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

FOLDER = Path(deformgan.skeletons.__file__).parent
EVERY = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)

COCO17 = re.findall(
    r"\w+",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle",
)
AP10K = re.findall(
    r"\w+",
    "left_eye right_eye nose neck root_of_tail left_shoulder left_elbow left_front_paw "
    "right_shoulder right_elbow right_front_paw left_hip left_knee left_back_paw right_hip "
    "right_knee right_back_paw",
)
# Which points of the 68 change places, counted from 0, as the field's flips have it.
FACE_FLIP = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30),
    *(35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


def example(name: str, height: float = 200.0) -> Pose:
    """A built-in skeleton's typical pose in an image of that height."""
    file = find_skeleton_file(name)
    places = [file.example[joint] for joint in file.joints]
    joints = torch.tensor(places, dtype=torch.float64)[None] * height
    return Pose(joints, torch.ones(1, len(places), dtype=torch.bool))


def nameless(skeleton: Skeleton) -> Skeleton:
    """The same skeleton with names that mean nothing."""
    joint = {name: f"j{place}" for place, name in enumerate(skeleton.joints)}
    part = {entry.name: f"p{place}" for place, entry in enumerate(skeleton.parts)}
    pairs = {
        key: tuple((joint[one], joint[other]) for one, other in getattr(skeleton, key))
        for key in ("mirrored", "limbs", "unit")
    }
    parts = tuple(
        replace(
            entry,
            name=part[entry.name],
            joints=tuple(joint[name] for name in entry.joints),
            anchors=tuple(joint[name] for name in entry.anchors),
            twin=None if entry.twin is None else part[entry.twin],
        )
        for entry in skeleton.parts
    )
    return replace(
        skeleton,
        name="thing",
        joints=tuple(joint.values()),
        parts=parts,
        core=tuple(joint[name] for name in skeleton.core),
        **pairs,
    )


def test_the_five_skeletons_have_as_many_joints_as_their_names_say():
    assert set(SKELETONS) == {"openpose18", "coco17", "face68", "hand21", "quadruped20"}
    for name, skeleton in SKELETONS.items():
        assert skeleton.name == name
        assert name.endswith(str(len(skeleton.joints)))


def test_the_orders_of_joints_are_those_of_their_data_sets():
    assert list(SKELETONS["coco17"].joints) == COCO17
    assert list(SKELETONS["quadruped20"].joints[:17]) == AP10K
    assert SKELETONS["quadruped20"].joints[17:] == ("left_ear", "right_ear", "tail_tip")
    hand = SKELETONS["hand21"]
    assert hand.joints[0] == "wrist"
    assert hand.joints[4::4] == ("thumb_tip", "index_tip", "middle_tip", "ring_tip", "pinky_tip")
    assert hand.joints[1::4] == ("thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")
    face = SKELETONS["face68"].joints
    groups = [re.sub(r"_\d+$", "", joint) for joint in face]
    starts = {group: groups.index(group) for group in dict.fromkeys(groups)}
    assert starts == {
        "jaw": 0,
        "right_brow": 17,
        "left_brow": 22,
        "nose_bridge": 27,
        "nostril": 31,
        "right_eye": 36,
        "left_eye": 42,
        "outer_lip": 48,
        "inner_lip": 60,
    }


def test_the_points_of_a_face_change_places_as_in_the_field():
    assert SKELETONS["face68"].mirror_permutation == FACE_FLIP


@pytest.mark.parametrize("name", ["openpose18", "coco17", "face68"])
def test_a_typical_pose_seen_from_the_front_is_its_own_mirror_image(name):
    pose = example(name)
    torch.testing.assert_close(
        pose.flip(201, SKELETONS[name]).joints, pose.joints, atol=0.21, rtol=0
    )


@EVERY
def test_right_is_on_the_left_of_the_picture_or_nothing_changes_places(skeleton):
    pose = example(skeleton.name)
    for right, left in skeleton.mirrored:
        # The animal looks to the left: we see its left side, which is nearer and thus lower.
        axis = 1 if skeleton.name == "quadruped20" else 0
        first, second = pose.joints[0, skeleton.indices([right, left]), axis]
        assert first < second


@EVERY
def test_the_mirror_is_an_involution_and_two_flips_change_nothing(skeleton):
    permutation = torch.tensor(skeleton.mirror_permutation)
    assert sorted(permutation.tolist()) == list(range(len(skeleton.joints)))
    assert torch.equal(permutation[permutation], torch.arange(len(skeleton.joints)))
    pose = example(skeleton.name)
    visible = torch.rand(pose.visible.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    pose = Pose(pose.joints.round(), visible)
    twice = pose.flip(64, skeleton).flip(64, skeleton)
    assert torch.equal(twice.joints, pose.joints)
    assert torch.equal(twice.visible, pose.visible)


@EVERY
def test_twins_are_mirror_images_joint_by_joint(skeleton):
    for part in skeleton.parts:
        if part.twin is None:
            continue
        twin = skeleton.parts[skeleton.part_index(part.twin)]
        mirrored = [
            skeleton.joints[skeleton.mirror_permutation[index]]
            for index in skeleton.indices(part.joints)
        ]
        assert list(twin.joints) == mirrored
        assert (twin.extension, twin.fit_extension) == (part.extension, part.fit_extension)


@EVERY
def test_written_and_read_again_a_skeleton_is_the_same(skeleton):
    content = skeleton_to_json(skeleton)
    assert skeleton_from_json(json.loads(json.dumps(content)), "it") == skeleton


@EVERY
def test_every_part_of_a_moved_typical_pose_moves_alike(skeleton):
    target = example(skeleton.name)
    turn, scale, shift = math.radians(25), 1.3, torch.tensor([7.0, -4.0], dtype=torch.float64)
    linear = scale * torch.tensor(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], dtype=torch.float64
    )
    source = Pose(target.joints @ linear.T + shift, target.visible)
    transforms, found = part_transforms(source, target, skeleton)
    assert found.all()
    expected = torch.cat([linear, shift[:, None]], dim=1).expand_as(transforms)
    torch.testing.assert_close(transforms, expected)


@EVERY
def test_a_usable_pose_has_a_unit_and_a_mask_for_the_whole_image(skeleton):
    full = example(skeleton.name)
    visible = torch.zeros_like(full.visible)
    visible[:, skeleton.mandatory_joints] = True
    pose = Pose(full.joints * visible[..., None], visible)
    assert pose.usable(skeleton).all()
    assert (unit_length(pose, skeleton) > 10).all()
    assert part_masks(pose, skeleton, (40, 30))[:, 0].all()


@EVERY
def test_typical_poses_lie_in_the_picture_and_every_part_is_seen(skeleton):
    pose = example(skeleton.name, height=100)
    assert ((pose.joints >= 0) & (pose.joints <= 100)).all()
    assert part_masks(pose, skeleton, (100, 100)).flatten(2).any(dim=2).all()


@EVERY
def test_names_mean_nothing_to_the_method(skeleton):
    target = example(skeleton.name)
    noise = torch.randn(target.joints.shape, generator=torch.Generator().manual_seed(1))
    hidden = torch.rand(target.visible.shape, generator=torch.Generator().manual_seed(2)) < 0.2
    hidden[:, skeleton.mandatory_joints] = False
    source = Pose(target.joints + 4 * noise.double(), ~hidden)
    thing = nameless(skeleton)
    assert torch.equal(part_masks(target, thing, (50, 50)), part_masks(target, skeleton, (50, 50)))
    for ours, theirs in zip(
        part_transforms(source, target, thing),
        part_transforms(source, target, skeleton),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert thing.mirror_permutation == skeleton.mirror_permutation


def test_no_code_of_skeletons_knows_a_body():
    words = {word for joint in OPENPOSE18.joints for word in joint.split("_")} - {"right", "left"}
    words |= {"torso", "head", "arm", "leg", "thigh", "shin", "person", "people", "human", "body"}
    for path in FOLDER.glob("*.py"):
        found = words & set(re.findall(r"[a-z]+", path.read_text(encoding="utf-8").lower()))
        assert not found, f"{path.name}: {found}"


def test_every_file_of_the_folder_is_a_skeleton_by_its_name():
    files = {path.stem for path in FOLDER.glob("*.json")} - {"skeleton.schema"}
    assert files == set(SKELETONS)
    assert all(find_skeleton_file(name).description for name in files)
    assert all(
        len(find_skeleton_file(name).example) == len(SKELETONS[name].joints) for name in files
    )


def test_a_skeleton_is_found_by_name_or_by_file(tmp_path):
    assert find_skeleton("hand21") is SKELETONS["hand21"]
    mine = replace(SKELETONS["hand21"], name="my_hand")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(skeleton_to_json(mine)))
    assert find_skeleton(str(path)) == mine
    # A byte order mark, as some editors write it, is no part of the text.
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert find_skeleton(str(path)) == mine


def test_a_file_may_be_a_built_in_skeleton_but_not_another_of_its_name(tmp_path):
    path = tmp_path / "hand21.json"
    path.write_text(json.dumps(skeleton_to_json(SKELETONS["hand21"])))
    assert find_skeleton(str(path)) == SKELETONS["hand21"]
    path.write_text(json.dumps(skeleton_to_json(replace(SKELETONS["face68"], name="hand21"))))
    with pytest.raises(InputError, match="'hand21' is taken by a different, built-in skeleton"):
        find_skeleton(str(path))


def test_what_is_no_skeleton_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Unknown skeleton 'hand22'; choose one of"):
        find_skeleton("hand22")
    with pytest.raises(InputError, match=r"Unknown skeleton '.*absent\.json'.*coco17, face68"):
        find_skeleton(str(tmp_path / "absent.json"))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        find_skeleton(str(tmp_path))
    path = tmp_path / "mine.json"
    path.write_text('{"name": "mine",\n "joints": [}')
    with pytest.raises(InputError, match=r"mine\.json, line 2: invalid JSON: Expecting value\."):
        find_skeleton(str(path))
    path.write_text(f'{{"name": {"9" * 5_000}}}')
    with pytest.raises(InputError, match="too many digits"):
        find_skeleton(str(path))
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        find_skeleton(str(path))
    path.write_bytes(np.arange(128, 256, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match="not a text file"):
        find_skeleton(str(path))
