"""Which poses are asked for: rules that all policies keep, and what each is for."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from deformgan.datasets.photo_set import PhotoSet
from deformgan.pose import Pose
from deformgan.reid.policies import POLICIES, PosePolicy
from deformgan.reid.policies.choice import by_need
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
    policy = POLICIES[name](photos, 0)
    assert isinstance(policy, PosePolicy)
    usable = set(photos.usable.nonzero()[:, 0].tolist())
    for source in (1, 8, 59):
        rows = draw(policy, source)
        assert sorted(rows) == sorted(usable - {source})


@pytest.mark.parametrize("name", POLICIES)
def test_candidates_are_of_the_rows_that_may_be_asked_for(photos, name):
    rows = draw(POLICIES[name](photos, 40), 8)
    assert sorted(rows) == [row for row in range(40, 60) if photos.usable[row]]


@pytest.mark.parametrize("name", POLICIES)
def test_candidates_follow_from_source_and_generator_alone(photos, name):
    one, other = POLICIES[name](photos, 0), POLICIES[name](photos, 0)
    draw(other, 5)
    assert draw(one, 8, seed=3) == draw(other, 8, seed=3)
    assert draw(one, 8, seed=4) != draw(one, 8, seed=3)


def test_random_is_uniform(photos):
    policy = POLICIES["random"](photos, 0)
    usable = photos.usable.nonzero()[:, 0].tolist()
    first = Counter(draw(policy, 1, seed=seed)[0] for seed in range(5_000))
    expected = 5_000 / (len(usable) - 1)
    chi_square = sum((first[row] - expected) ** 2 / expected for row in usable if row != 1)
    assert chi_square < 95  # 0.1 % point of 49 degrees of freedom is 85


def test_same_camera_asks_for_its_own_camera_first(photos):
    policy = POLICIES["same-camera"](photos, 0)
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


def test_viewpoints_are_balanced_over_real_and_generated_photos():
    kinds = [looking(20), looking(-20), looking(0, 4), looking(0, -4)]
    # 0001 is seen thrice from the front and once from the back, others make the pool.
    sides = [0, 0, 0, 1, *([0, 1, 2, 3] * 5)]
    photos = photo_set(Pose.cat([kinds[side] for side in sides]))
    photos.identities[:] = ["0001"] * 4 + ["0002"] * 20
    policy = Viewpoint(photos)
    total = Counter({"front": 3, "back": 1})
    for source in range(4):  # two pictures of each: eight beside the four, so three of each side
        rows = draw(policy, source, count=2, seed=source)
        total.update(SIDES[int(policy.sides[row])] for row in rows[:2])
    assert total == {"front": 3, "back": 3, "left": 3, "right": 3}


def test_redraws_are_of_the_same_sides():
    kinds = [looking(20), looking(-20), looking(0, 4), looking(0, -4)]
    photos = photo_set(Pose.cat([kinds[row % 4] for row in range(40)]))
    policy = Viewpoint(photos)
    asked = [int(policy.sides[row]) for row in draw(policy, 0, count=2)]
    assert asked[:8] == asked[:2] * 4


def test_the_sides_of_a_few_poses_are_asked_for_though_many_photos_come_before_them():
    kinds = [looking(20), looking(-20), looking(0, 4), looking(0, -4)]
    # Forty photos from all sides, all of one person from the front, and eight poses to choose from.
    sides = [*([0, 1, 2, 3] * 10), 0, 0, *([0, 1, 2, 3] * 2)]
    photos = photo_set(Pose.cat([kinds[side] for side in sides]))
    photos.identities[:] = ["0002"] * 40 + ["0001"] * 2 + ["0003"] * 8
    policy = Viewpoint(photos, asked=42)
    for source in (40, 41):
        rows = draw(policy, source, count=3, seed=source)
        assert min(rows) >= 42
    first = [SIDES[int(policy.sides[row])] for row in draw(policy, 40, count=3)[:3]]
    assert sorted(first) == ["back", "left", "right"]


def test_coverage_asks_for_the_kinds_that_a_person_lacks(photos):
    policy = Coverage(photos, clusters=5)
    kinds = policy.kinds.tolist()
    for who in ("0002", "0009"):
        mine = [row for row in range(60) if photos.identities[row] == who and photos.usable[row]]
        total = Counter(kinds[row] for row in mine)
        for source in mine:
            total.update(kinds[row] for row in draw(policy, source, count=2)[:2])
        # Ten pictures beside at most five photos of five kinds: as even as whole numbers allow.
        heights = [total[kind] for kind in range(5)]
        assert max(heights) - min(heights) <= 1 or max(heights) == max(
            Counter(kinds[row] for row in mine).values()
        )


def test_needs_are_filled_one_at_a_time():
    assert by_need([3, 1, 0], start=0, count=5) == [2, 1, 2, 1, 2]
    assert by_need([3, 1, 0], start=3, count=2) == [1, 2]
    assert by_need([0, 0, 0], start=0, count=4, first=1) == [1, 2, 0, 1]


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
