"""Repairs: joints of complete poses are hidden, filled, and compared with where they were."""

import pytest
import torch

from deformgan.datasets.bundled_people import FOLDER, bundled_walk
from deformgan.detectors.repair import (
    HIPS_PER_SHOULDERS,
    HIPS_TO_KNEES,
    KINDS,
    MAX_GAP,
    TORSO_PER_HEAD,
    repair,
)
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18

TORSO = ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
LIMBS = [f"{s}_{j}" for s in ("right", "left") for j in ("elbow", "wrist", "knee", "ankle")]


def doll() -> Pose:
    """Return a figure of exactly the proportions that repairs go by, symmetric about x = 0."""
    shoulder, half = 20.0, 14.0
    hip = shoulder + 40
    knee = shoulder + 40 / HIPS_TO_KNEES
    head = shoulder - 40 / TORSO_PER_HEAD
    right = {
        "shoulder": (-half, shoulder),
        "elbow": (-half - 4, shoulder + 18),
        "wrist": (-half + 3, shoulder + 36),
        "hip": (-half * HIPS_PER_SHOULDERS, hip),
        "knee": (-half * HIPS_PER_SHOULDERS, knee),
        "ankle": (-half * HIPS_PER_SHOULDERS - 5, knee + 30),
        "eye": (-2, head),
        "ear": (-4, head),
    }
    places = {"nose": (0.0, head), "neck": (0.0, shoulder)}
    for joint, (x, y) in right.items():
        places |= {f"right_{joint}": (x, y), f"left_{joint}": (-x, y)}
    joints = torch.tensor([[places[joint] for joint in OPENPOSE18.joints]])
    return Pose(joints, torch.ones(1, 18, dtype=torch.bool))


def affine(pose: Pose, seed: int, similar: bool = False) -> Pose:
    """Move a pose by a random affine transform, or by one that keeps angles."""
    random = torch.Generator().manual_seed(seed)
    linear = torch.eye(2) + 0.4 * torch.randn(2, 2, generator=random)
    if similar:
        (a, b), _ = linear.tolist()
        linear = torch.tensor([[a, -b], [b, a]])
    return Pose(pose.joints @ linear.T + 50 * torch.randn(2, generator=random), pose.visible)


def hide(pose: Pose, *joints: str) -> Pose:
    """Hide joints, and put them where they would be noticed if they were used."""
    places, visible = pose.joints.clone(), pose.visible.clone()
    places[:, OPENPOSE18.indices(joints)] = 1e5
    visible[:, OPENPOSE18.indices(joints)] = False
    return Pose(places, visible)


def errors(truth: Pose, repaired: Pose, *joints: str) -> torch.Tensor:
    """Measure how far filled joints are off, in torso lengths."""
    index = OPENPOSE18.indices(joints)
    assert repaired.visible[:, index].all()
    off = (repaired.joints[:, index] - truth.joints[:, index]).norm(dim=-1)
    return (off / unit_length(truth, OPENPOSE18)[:, None]).flatten()


def usable_people() -> Pose:
    return read_annotation_csv(FOLDER / "annotation.csv").pose


def riddled(count: int = 300, hidden: float = 0.35, seed: int = 0) -> Pose:
    """Return people with many hidden joints, different for each."""
    random = torch.Generator().manual_seed(seed)
    pose = usable_people()
    pose = pose[torch.randint(len(pose), (count,), generator=random)]
    visible = pose.visible & (torch.rand(count, 18, generator=random) >= hidden)
    return Pose(pose.joints.where(visible[..., None], 1e5), visible)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("corner", TORSO)
@pytest.mark.parametrize("neck", [[], ["neck"]])
def test_one_missing_corner_of_the_torso_is_exact_in_any_affine_view(seed, corner, neck):
    truth = affine(doll(), seed)
    repaired = repair(hide(truth, corner, *neck))
    assert errors(truth, repaired.pose, corner, "neck").max() < 1e-4
    assert repaired.flags() == [dict.fromkeys(sorted([corner, *neck], key=order), "torso")]


def order(joint: str) -> int:
    return OPENPOSE18.index(joint)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "missing",
    [
        ["right_hip", "left_hip"],  # by the knees
        ["right_shoulder", "left_shoulder"],  # by neck and hips
        ["right_shoulder", "right_hip"],  # by the neck, then the other three
    ],
)
def test_two_missing_corners_are_exact_in_any_affine_view_of_the_same_proportions(seed, missing):
    truth = affine(doll(), seed)
    repaired = repair(hide(truth, *missing))
    assert errors(truth, repaired.pose, *missing).max() < 1e-4


@pytest.mark.parametrize("knee", ["right_knee", "left_knee"])
def test_hips_come_from_one_knee_too(knee):
    truth = affine(doll(), 1)
    repaired = repair(hide(truth, "right_hip", "left_hip", knee))
    assert errors(truth, repaired.pose, "right_hip", "left_hip").max() < 1e-4


@pytest.mark.parametrize("seed", range(5))
def test_without_knees_hips_come_from_head_and_shoulders_at_any_size_and_angle(seed):
    truth = affine(doll(), seed, similar=True)
    repaired = repair(hide(truth, "right_hip", "left_hip", "right_knee", "left_knee"))
    assert errors(truth, repaired.pose, "right_hip", "left_hip").max() < 1e-4


def test_from_the_side_and_without_knees_hips_stay_missing():
    narrow = Pose(doll().joints * torch.tensor([0.3, 1.0]), doll().visible)
    hidden = hide(narrow, "right_hip", "left_hip", "right_knee", "left_knee")
    assert not repair(hidden).pose.usable(OPENPOSE18).any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("joint", LIMBS)
def test_a_joint_of_a_limb_is_exact_where_the_body_is_symmetric(seed, joint):
    truth = affine(doll(), seed, similar=True)
    repaired = repair(hide(truth, joint))
    assert errors(truth, repaired.pose, joint).max() < 1e-4
    assert repaired.flags() == [{joint: "twin"}]


@pytest.mark.parametrize("limb", [("elbow", "wrist"), ("knee", "ankle")])
def test_a_whole_missing_limb_is_filled_joint_after_joint(limb):
    truth = affine(doll(), 3, similar=True)
    joints = [f"left_{joint}" for joint in limb]
    assert errors(truth, repair(hide(truth, *joints)).pose, *joints).max() < 1e-4


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("upper", "lower"), [("elbow", "wrist"), ("knee", "ankle")])
def test_from_the_side_a_lower_limb_bends_as_its_twin_does(seed, upper, lower):
    # The left limb is the right one, swung about shoulder or hip by 50 degrees.
    pose = Pose(doll().joints * torch.tensor([0.3, 1.0]), doll().visible)
    cosine, sine = 0.6428, 0.7660
    swing = torch.tensor([[cosine, sine], [-sine, cosine]])
    start = {"elbow": "shoulder", "knee": "hip"}[upper]
    right, left = (pose.joints[0, OPENPOSE18.index(f"{s}_{start}")] for s in ("right", "left"))
    for joint in (upper, lower):
        step = pose.joints[0, OPENPOSE18.index(f"right_{joint}")] - right
        pose.joints[0, OPENPOSE18.index(f"left_{joint}")] = left + step @ swing
    truth = affine(pose, seed, similar=True)
    for joint in (f"left_{lower}", f"right_{lower}"):
        assert errors(truth, repair(hide(truth, joint)).pose, joint).max() < 1e-3


def test_an_elbow_between_two_seen_joints_keeps_to_both():
    # One arm is stretched: an elbow taken from the shoulder alone would lie off its middle.
    pose = doll()
    pose.joints[:, OPENPOSE18.index("right_wrist")] += torch.tensor([6.0, 10.0])
    filled = repair(hide(pose, "right_elbow")).pose.joints[0, OPENPOSE18.index("right_elbow")]
    symmetric = doll().joints[0, OPENPOSE18.index("right_elbow")]
    torch.testing.assert_close(filled, symmetric + torch.tensor([3.0, 5.0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("joint", "median"),
    # About the errors that the module states, of rendered people like these.
    [("hip", 0.06), ("shoulder", 0.05), ("elbow", 0.12), ("wrist", 0.35), ("knee", 0.2)],
)
def test_what_is_filled_is_about_where_it_was(joint, median):
    truth = usable_people()
    off = []
    for name in (f"right_{joint}", f"left_{joint}"):
        shown = truth[truth.visible[:, OPENPOSE18.index(name)]]
        repaired = repair(hide(shown, name)).pose
        filled = repaired.visible[:, OPENPOSE18.index(name)]
        assert filled.float().mean() > 0.5
        off.append(errors(shown[filled], repaired[filled], name))
    assert torch.cat(off).median() < median


def test_a_joint_that_was_seen_is_never_moved():
    pose = riddled()
    repaired = repair(pose, torch.arange(len(pose)))
    assert torch.equal(repaired.pose.joints[pose.visible], pose.joints[pose.visible])
    assert (repaired.kind[pose.visible] == 0).all()
    assert torch.equal(repaired.pose.visible, pose.visible | (repaired.kind > 0))
    assert (repaired.kind > 0).sum() > 200
    assert repaired.pose.joints[repaired.pose.visible].abs().max() < 1e3  # nothing hidden was used


@pytest.mark.parametrize("ordered", [False, True])
def test_a_second_repair_changes_nothing(ordered):
    pose = riddled(hidden=0.5)
    times = torch.arange(len(pose)) if ordered else None
    first = repair(pose, times).pose
    second = repair(first, times)
    assert (second.kind == 0).all()
    assert torch.equal(second.pose.joints, first.joints)
    assert torch.equal(second.pose.visible, first.visible)


@pytest.mark.parametrize("ordered", [False, True])
def test_repairs_follow_a_pose_that_is_moved_scaled_turned_or_mirrored(ordered):
    pose = riddled()
    times = torch.arange(len(pose)) if ordered else None
    repaired = repair(pose, times)
    filled = repaired.kind > 0
    turn = torch.tensor([[0.0, 2.0], [-2.0, 0.0]])
    moved = repair(Pose(pose.joints @ turn + 16, pose.visible), times)
    assert torch.equal(moved.kind, repaired.kind)
    expected = repaired.pose.joints @ turn + 16
    torch.testing.assert_close(moved.pose.joints[filled], expected[filled], atol=1e-2, rtol=0)

    mirrored = repair(pose.flip(64, OPENPOSE18), times).pose
    expected = repaired.pose.flip(64, OPENPOSE18)
    assert torch.equal(mirrored.visible, expected.visible)
    shown = expected.visible
    torch.testing.assert_close(mirrored.joints[shown], expected.joints[shown], atol=1e-2, rtol=0)


def strolling(num_frames: int, step: float = 2.0) -> Pose:
    """Move the doll along a line, every joint at its own even speed."""
    random = torch.Generator().manual_seed(0)
    speed = step * torch.tensor([1.0, 0.0]) + 0.2 * torch.randn(18, 2, generator=random)
    joints = doll().joints + speed * torch.arange(num_frames)[:, None, None]
    return Pose(joints, torch.ones(num_frames, 18, dtype=torch.bool))


def gap(pose: Pose, first: int, length: int, joint: str | None = None) -> Pose:
    """Hide a joint, or everybody, in some frames."""
    joints, visible = pose.joints.clone(), pose.visible.clone()
    where = slice(None) if joint is None else OPENPOSE18.index(joint)
    visible[first : first + length, where] = False
    joints[first : first + length, where] = 1e5
    return Pose(joints, visible)


@pytest.mark.parametrize("joint", ["left_wrist", "nose", None])
@pytest.mark.parametrize("length", [1, MAX_GAP])
def test_a_gap_in_time_is_exact_where_the_movement_is_even(joint, length):
    truth = strolling(12)
    repaired = repair(gap(truth, 3, length, joint), torch.arange(12))
    torch.testing.assert_close(repaired.pose.joints, truth.joints, atol=1e-3, rtol=0)
    kinds = {KINDS[kind] for kind in repaired.kind.flatten().tolist()}
    assert kinds == {"", "time"}
    assert (repaired.kind > 0).sum() == length * (18 if joint is None else 1)


def test_missing_frames_count_as_time():
    truth = strolling(12)
    kept = [0, 1, 2, 4, 7, 8, 9]
    repaired = repair(gap(truth[kept], 3, 1), torch.tensor(kept))
    torch.testing.assert_close(repaired.pose.joints, truth.joints[kept], atol=1e-3, rtol=0)
    # Of frames 2 to 8 all would be missing but one, and the nose is missing in that too.
    sparse = [0, 1, 2, 4, 9, 10]
    repaired = repair(gap(truth[sparse], 3, 1, "nose"), torch.tensor(sparse))
    assert not repaired.pose.visible[3, OPENPOSE18.index("nose")]


@pytest.mark.parametrize(("first", "length"), [(3, MAX_GAP + 1), (0, 1), (11, 1)])
def test_long_gaps_and_both_ends_stay_open(first, length):
    repaired = repair(gap(strolling(12), first, length, "nose"), torch.arange(12))
    assert (repaired.kind == 0).all()


def test_photos_without_order_are_repaired_one_by_one():
    pose = riddled(20)
    together = repair(pose).pose
    alone = [repair(pose[[row]]).pose for row in range(20)]
    assert torch.equal(together.visible, Pose.cat(alone).visible)
    assert not (repair(pose).kind == KINDS.index("time")).any()


def test_nobody_is_made_up_between_two_people():
    # Frame 4 is empty and somebody else, elsewhere, is seen from frame 5.
    frames = strolling(10)
    frames.joints[5:] += torch.tensor([90.0, 0.0])
    assert not repair(gap(frames, 4, 1), torch.arange(10)).pose.visible[4].any()


def test_a_dropped_frame_of_a_real_walk_is_about_where_it_was():
    walk = bundled_walk()
    off = []
    for frame in range(1, len(walk) - 1):
        repaired = repair(gap(walk, frame, 1), torch.arange(len(walk))).pose
        assert torch.equal(repaired.visible, walk.visible)
        shown = walk.visible[frame]
        off.append((repaired.joints[frame] - walk.joints[frame])[shown].norm(dim=-1))
    assert torch.cat(off).median() < 0.05 * unit_length(walk, OPENPOSE18).mean()


def test_nothing_to_go_by_leaves_a_pose_as_it_was():
    nobody = Pose(torch.zeros(2, 18, 2), torch.zeros(2, 18, dtype=torch.bool))
    assert repair(nobody, torch.arange(2)).flags() == [{}, {}]
    assert repair(nobody[[]], torch.arange(0)).flags() == []
    only_head = hide(doll(), *OPENPOSE18.joints[1:])
    assert repair(only_head).flags() == [{}]
