"""Why a pose is unusable: each reason by a pose made to have it, and by what must not change it."""

import pytest
import torch

from deformgan.affine import part_transforms
from deformgan.datasets.bundled_people import FOLDER
from deformgan.detectors.diagnosis import (
    MIN_TORSO,
    MODEL_TORSO,
    REASONS,
    coincident_twins,
    count_others,
    diagnose,
    torso_has_area,
)
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18

TORSO = OPENPOSE18.mandatory_joints


def without(pose: Pose, *joints: str) -> Pose:
    visible = pose.visible.clone()
    visible[:, OPENPOSE18.indices(joints)] = False
    return Pose(pose.joints, visible)


def scaled(pose: Pose, factor: float) -> Pose:
    return Pose(pose.joints * factor, pose.visible)


def test_bundled_people_are_usable_just_where_the_generator_can_move_their_torso():
    pose = read_annotation_csv(FOLDER / "annotation.csv").pose
    _, found = part_transforms(pose, pose, OPENPOSE18)
    expected = [None if fits else "degenerate" for fits in found[:, 0]]
    diagnoses = diagnose(pose, OPENPOSE18)
    assert [diagnosis.reason for diagnosis in diagnoses] == expected
    assert [diagnosis.words == "" for diagnosis in diagnoses] == found[:, 0].tolist()
    assert found[:, 0].float().mean() > 0.9


def test_nobody_is_no_person_wherever_the_joints_are_said_to_be(people):
    nobody = Pose(people(3).joints, torch.zeros(3, 18, dtype=torch.bool))
    assert [diagnosis.words for diagnosis in diagnose(nobody, OPENPOSE18)] == [
        REASONS["no_person"]
    ] * 3


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["left_hip"], "left hip not seen"),
        (["right_shoulder", "left_hip"], "left hip, right shoulder not seen"),
    ],
)
def test_missing_corners_of_the_torso_are_named(people, missing, said):
    (diagnosis,) = diagnose(without(people(1), *missing, "nose"), OPENPOSE18)
    assert diagnosis.reason == "no_torso"
    assert said in diagnosis.words
    assert "nose" not in diagnosis.words


def test_people_are_too_small_under_the_stated_torso_length(people):
    pose = people(1)
    length = unit_length(pose, OPENPOSE18).item()
    below, above = (scaled(pose, share * MIN_TORSO / length) for share in (0.99, 1.01))
    small, large = diagnose(Pose.cat([below, above]), OPENPOSE18)
    assert (small.reason, large.reason) == ("tiny", None)
    assert f"{0.99 * MIN_TORSO:.1f} px" in small.words


@pytest.mark.parametrize("scale", [0.4, 1.0, 10.0])
def test_a_torso_on_a_line_is_degenerate(scale):
    along = torch.zeros(3, 18, 2)
    along[0, TORSO] = torch.tensor([[30.0, 60], [30, 60], [30, 22], [30, 22]])
    along[1, TORSO] = torch.tensor([[10.0, 60], [20, 50], [30, 40], [40, 30]])
    along[2, TORSO] = torch.tensor([[10.0, 60], [20, 60], [20, 20], [10, 20]])
    pose = scaled(Pose(along, torch.ones(3, 18, dtype=torch.bool)), scale)
    assert torso_has_area(pose, OPENPOSE18).tolist() == [False, False, True]
    reasons = [diagnosis.reason for diagnosis in diagnose(pose, OPENPOSE18)]
    assert reasons == ["degenerate", "degenerate", None]


def test_a_torso_has_area_just_where_the_generator_s_own_fit_succeeds(people):
    # Squeezed more and more, at the generator's own size.
    pose = people(64)
    pose = scaled(pose, MODEL_TORSO / unit_length(pose, OPENPOSE18).max().item())
    squeeze = torch.logspace(0, -3, 64)[:, None]
    joints = torch.stack([30 + (pose.joints[..., 0] - 30) * squeeze, pose.joints[..., 1]], dim=-1)
    thin = Pose(joints, pose.visible)
    _, found = part_transforms(thin, thin, OPENPOSE18)
    expected = found[:, OPENPOSE18.part_index("torso")]
    assert 10 < expected.sum() < 60
    assert torch.equal(torso_has_area(thin, OPENPOSE18), expected)


def test_a_large_photo_is_judged_at_the_size_it_is_shrunk_to(people):
    # 2 px across: enough in a photo of the generator's size, nothing in one of ten times that.
    joints = torch.zeros(1, 18, 2)
    joints[:, TORSO] = torch.tensor([[29.0, 60], [31, 60], [31, 22], [29, 22]])
    pose = Pose(joints, torch.ones(1, 18, dtype=torch.bool))
    tall = Pose(joints * torch.tensor([1.0, 10.0]), pose.visible)
    assert torso_has_area(pose, OPENPOSE18).item()
    assert not torso_has_area(tall, OPENPOSE18).item()


def test_joints_whose_left_and_right_are_in_one_place_are_named_and_do_no_harm(people):
    pose = people(2)
    joints = pose.joints.clone()
    joints[0, OPENPOSE18.index("left_knee")] = joints[0, OPENPOSE18.index("right_knee")] + 0.1
    joints[1, OPENPOSE18.index("left_knee")] = joints[1, OPENPOSE18.index("right_knee")]
    pose = Pose(joints, pose.visible)
    pose.visible[1, OPENPOSE18.index("left_knee")] = False
    first, second = diagnose(pose, OPENPOSE18)
    assert (first.reason, first.coincident) == (None, ("knee",))
    assert (second.reason, second.coincident) == (None, ())


def test_diagnoses_do_not_change_when_the_photo_is_mirrored_or_the_person_moves(people):
    pose = people(64, hidden=0.05)
    joints = pose.joints * torch.linspace(0.05, 2, 64)[:, None, None]
    pose = Pose(joints, pose.visible)
    moved = Pose(joints + torch.tensor([512.0, -256.0]), pose.visible)
    before, after = diagnose(pose, OPENPOSE18), diagnose(moved, OPENPOSE18)
    assert {diagnosis.reason for diagnosis in before} >= {None, "no_torso", "tiny"}
    assert before == after
    mirrored = pose.flip(64, OPENPOSE18)
    reasons = [diagnosis.reason for diagnosis in before]
    assert [diagnosis.reason for diagnosis in diagnose(mirrored, OPENPOSE18)] == reasons
    assert torch.equal(coincident_twins(mirrored, OPENPOSE18), coincident_twins(pose, OPENPOSE18))


def test_others_are_the_others_of_at_least_half_the_size(people):
    one = people(1)
    crowd = Pose.cat([scaled(one, factor) for factor in (1.0, 0.6, 0.45, 0.1)])
    assert [count_others(crowd, person) for person in range(4)] == [1, 2, 2, 3]
    assert count_others(one, 0) == 0
