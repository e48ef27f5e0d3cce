"""What is hard about pairs, on poses whose answers are known by construction."""

import math

import pytest
import torch

from deformgan.affine import part_transforms
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.bundled_people import VIEWS as CAMERAS
from deformgan.evaluation.pair_diagnosis import (
    ORIGINS,
    VIEWS,
    describe_pair,
    diagnose_pairs,
    part_origins,
    pose_distance,
    viewpoints,
)
from deformgan.parts import part_masks
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18

# Shoulders and hips 8 and 4 to either side of the middle, 30 apart: width over length 0.4.
BODY = {
    "nose": (32, 10),
    "neck": (32, 20),
    "right_eye": (30, 8),
    "left_eye": (34, 8),
    "right_ear": (28, 9),
    "left_ear": (36, 9),
    "right_shoulder": (24, 20),
    "left_shoulder": (40, 20),
    "right_elbow": (20, 36),
    "left_elbow": (44, 36),
    "right_wrist": (18, 50),
    "left_wrist": (46, 50),
    "right_hip": (28, 50),
    "left_hip": (36, 50),
    "right_knee": (27, 75),
    "left_knee": (37, 75),
    "right_ankle": (27, 100),
    "left_ankle": (37, 100),
}
LENGTH = math.hypot(4, 30)  # from shoulder to hip: the unit


def posed(missing=(), **moved):
    """One pose: the body with some joints elsewhere and some not seen."""
    joints = torch.tensor([(BODY | moved)[name] for name in OPENPOSE18.joints]).float()
    seen = torch.tensor([name not in missing for name in OPENPOSE18.joints])
    return Pose(joints[None], seen[None])


def turned_away(pose):
    """The same person from behind: the image mirrored, but not the names."""
    joints = pose.joints.clone()
    joints[..., 0] = 64 - joints[..., 0]
    return Pose(joints, pose.visible)


def origins(source, target):
    codes = part_origins(source, target, OPENPOSE18)[0].tolist()
    return {
        part.name: list(ORIGINS)[code] for part, code in zip(OPENPOSE18.parts, codes, strict=True)
    }


def view(pose, row=0):
    return VIEWS[viewpoints(pose, OPENPOSE18)[row]]


def test_the_origin_of_each_part_is_the_one_that_was_built_in():
    source = posed(missing=("left_wrist", "right_ankle", "left_ankle", "nose", "left_eye"))
    target = posed(missing=("right_elbow", "right_eye", "right_ear", "left_ear"))
    assert origins(source, target) == {
        "torso": "own",
        "head": "no_common",  # the source shows ears and an eye, the target nose and the other eye
        "right_thigh": "own",
        "left_thigh": "own",
        "right_shin": "not_seen",
        "left_shin": "not_seen",
        "right_upper_arm": "not_asked",
        "left_upper_arm": "own",
        "right_forearm": "not_asked",
        "left_forearm": "twin",
    }


def test_a_limb_without_length_and_a_torso_edge_on_are_flat():
    line = {"right_shoulder": (32, 20), "left_shoulder": (32, 20)}
    line |= {"right_hip": (32, 50), "left_hip": (32, 50)}
    found = origins(posed(right_knee=(28, 50)), posed(**line))
    assert found["right_thigh"] == "flat"
    assert found["torso"] == "flat"
    assert found["left_shin"] == "own"


def test_a_part_is_moved_exactly_where_the_generator_has_a_transform_and_a_mask(people):
    source, target = people(64, hidden=0.4), people(64, seed=1, hidden=0.4)
    source.visible[:, OPENPOSE18.mandatory_joints] = True
    target.visible[:, OPENPOSE18.mandatory_joints] = True
    codes = part_origins(source, target, OPENPOSE18)
    moved = codes <= list(ORIGINS).index("twin")
    _, found = part_transforms(source, target, OPENPOSE18)
    assert torch.equal(moved, found)
    drawn = part_masks(target, OPENPOSE18, (400, 400)).flatten(2).any(dim=2)
    lost = codes >= list(ORIGINS).index("not_seen")
    assert torch.equal(drawn, moved | lost)
    assert len(codes.unique()) >= 5


def test_the_distance_is_the_mean_way_of_the_joints_in_torso_lengths():
    target = posed(missing=("nose",), left_wrist=(46 + 3, 50 + 4))
    source = posed(missing=("right_ankle",))
    distance = pose_distance(source, target, OPENPOSE18).item()
    assert distance == pytest.approx(5 / LENGTH / 16)  # of 18 joints, 16 are seen in both


def test_neither_place_nor_size_counts_in_the_distance(people):
    source, target = people(5, hidden=0.1), people(5, seed=1, hidden=0.1)
    for pose in (source, target):
        pose.visible[:, OPENPOSE18.mandatory_joints] = True
    moved = Pose(target.joints * 3.5 + torch.tensor([70.0, -20.0]), target.visible)
    torch.testing.assert_close(
        pose_distance(source, moved, OPENPOSE18), pose_distance(source, target, OPENPOSE18)
    )
    assert (pose_distance(source, source, OPENPOSE18) == 0).all()


def test_poses_that_share_no_torso_have_no_distance():
    shoulders, hips = ("right_shoulder", "left_shoulder"), ("right_hip", "left_hip")
    assert pose_distance(posed(shoulders), posed(hips), OPENPOSE18).isnan().all()


def test_the_view_is_front_back_or_side_by_order_and_width():
    assert view(posed()) == "front"
    assert view(turned_away(posed())) == "back"
    narrow = {"right_shoulder": (30, 20), "left_shoulder": (34, 20)}
    assert view(posed(**narrow)) == "side"
    assert view(turned_away(posed(**narrow))) == "side"
    assert view(posed(missing=("left_hip",))) == "unknown"


@pytest.mark.parametrize("degrees", [40, 90, 180])
def test_somebody_who_leans_keeps_the_view(degrees):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    for pose in (posed(), turned_away(posed())):
        assert view(Pose(pose.joints @ turn.T, pose.visible)) == view(pose)


def test_rendered_people_are_seen_from_where_the_camera_stood():
    table = read_annotation_csv(FOLDER / "annotation.csv")
    views = viewpoints(table.pose, OPENPOSE18)
    for camera, name in enumerate(("front", "side", "back")):
        of_camera = views[camera::CAMERAS] == VIEWS.index(name)
        assert of_camera.double().mean() >= 0.98


def test_a_lost_part_is_named_with_the_reason():
    source = posed(("left_ankle", "right_ankle"))
    sentence = describe_pair(diagnose_pairs(source, posed(), OPENPOSE18), 0, OPENPOSE18)
    assert "right shin and left shin without a transform (not visible in the source" in sentence
    assert sentence.startswith("front in both; ")
    assert sentence.count(".") == 2  # that of the distance and that of the end
