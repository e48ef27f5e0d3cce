"""Which poses are asked for: rules that all policies keep, and what each is for."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from deformgan.datasets.photo_set import PhotoSet
from deformgan.pose import Pose
from deformgan.reid.policies import POLICIES, PosePolicy
from deformgan.reid.policies.coverage import Coverage, cluster, describe_poses
from deformgan.reid.policies.viewpoint import SIDES, UNKNOWN, Viewpoint, sides_seen
from deformgan.skeletons.openpose18 import OPENPOSE18


@pytest.fixture
def photos(people):
    """Sixty photos of twelve people by three cameras; every seventh pose is not usable."""
    pose = people(60, seed=1)
    visible = pose.visible.clone()
    visible[::7, OPENPOSE18.index("left_hip")] = False
    return photo_set(Pose(pose.joints, visible))


def photo_set(pose):
    count = len(pose)
    names = [f"{row % 12 + 1:04d}_c{row % 3 + 1}s1_{row:06d}_00.jpg" for row in range(count)]
    return PhotoSet(
        names=names,
        identities=[name[:4] for name in names],
        cameras=torch.arange(count) % 3 + 1,
        paths=[Path(name) for name in names],
        poses=pose,
        size=(128, 64),
    )


def draw(policy, source, count=3, seed=0):
    return policy.candidates(source, count, torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize("name", POLICIES)
def test_candidates_are_usable_distinct_and_not_the_source(photos, name):
    policy = POLICIES[name](photos)
    assert isinstance(policy, PosePolicy)
    usable = set(photos.usable.nonzero()[:, 0].tolist())
    for source in (1, 8, 59):
        rows = draw(policy, source)
        assert sorted(rows) == sorted(usable - {source})


@pytest.mark.parametrize("name", POLICIES)
def test_candidates_follow_from_source_and_generator_alone(photos, name):
    one, other = POLICIES[name](photos), POLICIES[name](photos)
    draw(other, 5)
    assert draw(one, 8, seed=3) == draw(other, 8, seed=3)
    assert draw(one, 8, seed=4) != draw(one, 8, seed=3)


def test_random_is_uniform(photos):
    policy = POLICIES["random"](photos)
    usable = photos.usable.nonzero()[:, 0].tolist()
    first = Counter(draw(policy, 1, seed=seed)[0] for seed in range(5_000))
    expected = 5_000 / (len(usable) - 1)
    chi_square = sum((first[row] - expected) ** 2 / expected for row in usable if row != 1)
    assert chi_square < 95  # 0.1 % point of 49 degrees of freedom is 85


def test_same_camera_asks_for_its_own_camera_first(photos):
    policy = POLICIES["same-camera"](photos)
    for source in (1, 8, 59):
        same = [int(photos.cameras[row] == photos.cameras[source]) for row in draw(policy, source)]
        assert same == sorted(same, reverse=True)
        assert 10 < sum(same) < 20


def turned(width):
    """Somebody whose torso is so many pixels wide, from the camera's left to its right."""
    pose = torch.full((18, 2), 32.0)
    rows = {"nose": 14, "neck": 24, "right_knee": 84, "left_knee": 84, "right_ankle": 108}
    rows |= {"left_ankle": 108, "right_eye": 12, "left_eye": 12, "right_ear": 13, "left_ear": 13}
    for joint, row in rows.items():
        pose[OPENPOSE18.index(joint), 1] = row
    half = width / 2
    for right, left, row in (
        ("right_shoulder", "left_shoulder", 26),
        ("right_hip", "left_hip", 60),
    ):
        pose[OPENPOSE18.index(right)] = torch.tensor([32 - half, row])
        pose[OPENPOSE18.index(left)] = torch.tensor([32 + half, row])
    return pose


def looking(width, face=0.0):
    joints = turned(width)[None].clone()
    for name in ("nose", "right_eye", "left_eye"):
        joints[0, OPENPOSE18.index(name), 0] += face
    return Pose(joints, torch.ones(1, 18, dtype=torch.bool))


@pytest.mark.parametrize(
    ("pose", "side"),
    [
        (looking(20), "front"),
        (looking(-20), "back"),
        (looking(0, face=4), "right"),
        (looking(0, face=-4), "left"),
    ],
)
def test_the_side_that_is_seen(pose, side):
    assert sides_seen(pose).tolist() == [SIDES.index(side)]


def test_the_side_without_a_face_is_that_of_the_ear_or_unknown():
    pose = looking(0)
    visible = pose.visible.clone()
    for name in ("nose", "right_eye", "left_eye", "left_ear"):
        visible[0, OPENPOSE18.index(name)] = False
    assert sides_seen(Pose(pose.joints, visible)).tolist() == [SIDES.index("right")]
    visible[0, OPENPOSE18.index("right_ear")] = False
    assert sides_seen(Pose(pose.joints, visible)).tolist() == [UNKNOWN]


def test_viewpoints_come_in_equal_turns_those_that_are_lacking_first():
    kinds = [looking(20), looking(-20), looking(0, 4), looking(0, -4)]
    sides = [0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 0, 0, 1, 2]
    photos = photo_set(Pose.cat([kinds[side] for side in sides]))
    photos.identities[:] = ["0001"] * 3 + ["0002"] * 13  # 0001: twice from the front, once the back
    policy = Viewpoint(photos)
    rows = draw(policy, 0, count=8)
    asked = [SIDES[int(policy.sides[row])] for row in rows]
    assert set(asked[:2]) == {"left", "right"}
    assert asked[2:4] == ["back", "front"]
    assert set(asked[4:6]) == {"left", "right"}
    assert asked[6:8] == ["back", "front"]


def test_coverage_asks_for_the_kinds_that_a_person_lacks(photos):
    policy = Coverage(photos, clusters=5)
    kinds = [int(kind) for kind in policy.kinds]
    for source in (1, 8):
        who = photos.identities[source]
        mine = Counter(
            kinds[row] for row in range(60) if photos.identities[row] == who and photos.usable[row]
        )
        rows = draw(policy, source, count=5)
        asked = [kinds[row] for row in rows[:5]]
        assert sorted(asked) == list(range(5))  # one of each kind before any comes again
        assert [mine[kind] for kind in asked] == sorted(mine[kind] for kind in asked)


def test_kinds_are_clusters_of_poses_wherever_they_stand_and_however_large(people):
    pose = people(8, seed=4)
    moved = Pose(pose.joints * 0.5 + torch.tensor([7.0, -3.0]), pose.visible)
    torch.testing.assert_close(describe_poses(moved), describe_poses(pose), atol=1e-5, rtol=1e-5)


def test_clusters_are_found_where_they_are():
    random = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], dtype=torch.float64)
    who = torch.arange(60) % 3
    points = middles[who] + torch.randn(60, 2, generator=random, dtype=torch.float64)
    found = cluster(points, 3)
    assert len({(int(a), int(b)) for a, b in zip(who, found, strict=True)}) == 3
    # No point is nearer to another cluster's middle: Lloyd's rounds have ended.
    centres = torch.stack([points[found == number].mean(dim=0) for number in range(3)])
    assert torch.equal(torch.cdist(points, centres).argmin(dim=1), found)
    assert torch.equal(cluster(points, 3), found)
    assert cluster(torch.zeros(4, 2, dtype=torch.float64), 3).shape == (4,)
