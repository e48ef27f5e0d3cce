"""part_field: one smooth field of all parts, against its definition in slow loops."""

import inspect
import math

import pytest
import torch

from deformgan.affine import part_transforms
from deformgan.part_field import SOFTNESS, part_distances, part_field
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (32, 16)


def own_place(size):
    x, y = torch.meshgrid(torch.arange(size[1]), torch.arange(size[0]), indexing="xy")
    return torch.stack([x, y]).float()


def scattered(skeleton, size=SIZE, batch=2, seed=0, hidden=0.0):
    """Poses with joints all over the image."""
    random = torch.Generator().manual_seed(seed)
    count = len(skeleton.joints)
    joints = torch.rand(batch, count, 2, generator=random) * torch.tensor([size[1], size[0]])
    return Pose(joints, torch.rand(batch, count, generator=random) >= hidden)


def distance_to_segment(point, start, end):
    along = [e - s for s, e in zip(start, end, strict=True)]
    offset = [p - s for p, s in zip(point, start, strict=True)]
    length = along[0] ** 2 + along[1] ** 2
    share = 0.0 if length < 1e-6 else (offset[0] * along[0] + offset[1] * along[1]) / length
    share = min(max(share, 0.0), 1.0)
    return math.dist(point, [s + share * a for s, a in zip(start, along, strict=True)])


def in_triangle(point, corners):
    sides = []
    for place in range(3):
        (ax, ay), (bx, by) = corners[place], corners[(place + 1) % 3]
        sides.append((bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax))
    return all(side >= 0 for side in sides) or all(side <= 0 for side in sides)


def slow_distance(point, part, skeleton, joints, seen, unit, far):
    """The distance of one pixel to one part, by Carathéodory's theorem where it is a hull."""
    places = [joints[skeleton.index(name)] for name in part.joints]
    there = [p for p, name in zip(places, part.joints, strict=True) if seen[skeleton.index(name)]]
    if len(there) < (2 if part.region == "limb" else part.needs):
        return far
    if part.region == "limb":
        return max(distance_to_segment(point, *places) - unit * skeleton.limb_width / 4, 0.0)
    if part.region == "square":
        middle = [sum(p[axis] for p in there) / len(there) for axis in (0, 1)]
        half = unit * skeleton.square_half
        return math.hypot(*(max(abs(p - m) - half, 0) for p, m in zip(point, middle, strict=True)))
    if part.region == "hull":
        return max(min(math.dist(point, p) for p in there) - unit * part.margin, 0.0)
    count = len(there)
    for i in range(count):
        for j in range(i):
            for k in range(j):
                if in_triangle(point, [there[i], there[j], there[k]]):
                    return 0.0
    return min(distance_to_segment(point, a, b) for a in there for b in there)


@pytest.mark.parametrize("hidden", [0.0, 0.3])
@pytest.mark.parametrize("name", SKELETONS)
def test_distances_equal_slow_loops_for_every_skeleton(name, hidden):
    skeleton, size = SKELETONS[name], (11, 7)
    pose = scattered(skeleton, size, hidden=hidden)
    found = part_distances(pose, skeleton, size)
    units = unit_length(pose, skeleton).tolist()
    for item, unit in enumerate(units):
        joints, seen = pose.joints[item].tolist(), pose.visible[item].tolist()
        wanted = [
            [
                [
                    slow_distance((x, y), part, skeleton, joints, seen, unit, sum(size))
                    for x in range(size[1])
                ]
                for y in range(size[0])
            ]
            for part in skeleton.parts
        ]
        torch.testing.assert_close(found[item], torch.tensor(wanted).float(), atol=1e-4, rtol=1e-5)


def test_a_torso_whose_joints_cross_is_the_hull_of_them():
    # Seen from the side, a right joint may lie left of its twin: the edges cross.
    joints = torch.zeros(2, 18, 2)
    square = {"right_hip": (4, 20), "left_hip": (10, 20), "left_shoulder": (10, 6)}
    square |= {"right_shoulder": (4, 6)}
    for name, place in square.items():
        joints[:, OPENPOSE18.index(name)] = torch.tensor(place).float()
    left, right = (OPENPOSE18.index(f"{side}_shoulder") for side in ("left", "right"))
    joints[1, [left, right]] = joints[0, [right, left]]
    pose = Pose(joints, torch.ones(2, 18).bool())
    torso = part_distances(pose, OPENPOSE18, SIZE)[:, OPENPOSE18.part_index("torso")]
    assert torch.equal(torso[0], torso[1])
    assert torso[0, 13, 7] == 0
    assert torso[0, 13, 13] == pytest.approx(3)
    assert torso[0, 2, 1] == pytest.approx(5)


@pytest.mark.parametrize("softness", [SOFTNESS, 0.5])
def test_is_the_softmax_of_its_definition(softness, people):
    source, target = people(2, SIZE, hidden=0.1), people(2, SIZE, seed=1, hidden=0.1)
    transforms, found = part_transforms(
        source.to(torch.float64), target.to(torch.float64), OPENPOSE18
    )
    distances = part_distances(target, OPENPOSE18, SIZE).double()
    units = unit_length(target, OPENPOSE18).tolist()
    field = part_field(source, target, OPENPOSE18, SIZE, softness)
    assert found.any(dim=1).all()
    for item in range(2):
        for y, x in ((0, 0), (5, 8), (9, 4), (16, 9), (27, 7), (31, 15)):
            total, place = 0.0, torch.zeros(2, dtype=torch.float64)
            for part in range(len(OPENPOSE18.parts)):
                if not found[item, part]:
                    continue
                away = distances[item, part, y, x].item() / (softness * max(units[item], 1))
                weight = math.exp(-away)
                total += weight
                moved = transforms[item, part] @ torch.tensor([x, y, 1.0], dtype=torch.float64)
                place += weight * moved
            torch.testing.assert_close(
                field[item, :, y, x].double(), place / total, atol=2e-3, rtol=0
            )


# (x, y) in a frame of 256x256 pixels, in the order of openpose18: limbs far from each other.
STARFISH = [
    *[(128, 50), (128, 78), (108, 80), (60, 60), (5, 30), (148, 80), (196, 60), (250, 35)],
    *[(112, 140), (70, 185), (20, 250), (144, 140), (190, 185), (235, 252)],
    *[(122, 44), (134, 44), (116, 47), (140, 47)],
]


def test_deep_inside_one_part_it_is_that_part_s_transform(people):
    size = (256, 256)
    target = Pose(torch.tensor([STARFISH]).float(), torch.ones(1, 18).bool())
    source = people(1, size)
    transforms, found = part_transforms(
        source.to(torch.float64), target.to(torch.float64), OPENPOSE18
    )
    assert found.all()
    (distances,) = part_distances(target, OPENPOSE18, size)
    unit = unit_length(target, OPENPOSE18)
    (field,) = part_field(source, target, OPENPOSE18, size)
    own, checked = own_place(size), set()
    for place, part in enumerate(OPENPOSE18.parts):
        others = [other for other in range(len(OPENPOSE18.parts)) if other != place]
        # So far from all others that these have a millionth of the weight.
        deep = (distances[place] == 0) & (distances[others].amin(dim=0) > 14 * SOFTNESS * unit)
        if not deep.any():
            continue
        checked.add(part.name)
        linear, shift = transforms[0, place].float().split([2, 1], dim=1)
        moved = torch.einsum("ij,jhw->ihw", linear, own) + shift[..., None]
        assert (field - moved).abs().amax(dim=0)[deep].max() < 1e-3
    assert len(checked) >= 4


def test_towards_no_softness_the_nearest_part_decides(people):
    source, target = people(2, SIZE), people(2, SIZE, seed=1)
    transforms, _ = part_transforms(source.to(torch.float64), target.to(torch.float64), OPENPOSE18)
    distances = part_distances(target, OPENPOSE18, SIZE)
    first, second = distances.topk(2, dim=1, largest=False).values.unbind(dim=1)
    nearest = distances.argmin(dim=1)
    clear = second - first > 0.05
    field = part_field(source, target, OPENPOSE18, SIZE, 1e-4)
    own = own_place(SIZE)
    for item in range(2):
        chosen = transforms[item].float()[nearest[item]]  # (H, W, 2, 3)
        moved = torch.einsum("hwij,jhw->ihw", chosen[..., :2], own) + chosen[..., 2].movedim(-1, 0)
        error = (field[item] - moved).abs().amax(dim=0)[clear[item]]
        assert error.max() < 1e-3


@pytest.mark.parametrize("name", SKELETONS)
def test_the_same_pose_twice_is_the_identity(name):
    pose = scattered(SKELETONS[name], hidden=0.1, batch=3)
    field = part_field(pose, pose, SKELETONS[name], SIZE)
    torch.testing.assert_close(field, own_place(SIZE).expand_as(field), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", SKELETONS)
def test_a_pose_that_moves_as_a_whole_moves_every_pixel_alike(name):
    # Turned, scaled and shifted: all parts have the one transform, wherever they are.
    skeleton = SKELETONS[name]
    target = scattered(skeleton, (64, 48))
    turn, scale = 0.4, 1.3
    linear = scale * torch.tensor(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    )
    shift = torch.tensor([5.0, -3.0])
    source = Pose(target.joints @ linear.T + shift, target.visible)
    field = part_field(source, target, skeleton, (64, 48))
    wanted = torch.einsum("ij,jhw->ihw", linear, own_place((64, 48))) + shift[:, None, None]
    torch.testing.assert_close(field, wanted.expand_as(field), atol=5e-3, rtol=0)


def test_parts_that_are_missing_leave_the_field_to_the_others(people):
    # Without arms in the source or the target, the field is that of the other parts alone.
    source, target = people(1), people(1, seed=1)
    arms = [part for part in OPENPOSE18.parts if "arm" in part.name]
    hidden = target.visible.clone()
    for part in arms:
        hidden[:, OPENPOSE18.index(part.joints[1])] = False
    less = Pose(target.joints, hidden)
    field = part_field(source, less, OPENPOSE18, (128, 64))
    without = type(OPENPOSE18)(
        **vars(OPENPOSE18) | {"parts": tuple(p for p in OPENPOSE18.parts if p not in arms)}
    )
    assert len(arms) >= 2
    torch.testing.assert_close(
        field, part_field(source, less, without, (128, 64)), atol=1e-3, rtol=0
    )


def test_without_any_part_every_pixel_stays_where_it_is(people):
    target = people(2, SIZE)
    nobody = Pose(target.joints, torch.zeros_like(target.visible))
    for source, wanted in ((nobody, target), (target, nobody), (nobody, nobody)):
        field = part_field(source, wanted, OPENPOSE18, SIZE)
        torch.testing.assert_close(field, own_place(SIZE).expand_as(field), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", SKELETONS)
def test_where_a_missing_joint_is_said_to_be_does_not_matter(name):
    skeleton = SKELETONS[name]
    poses = [scattered(skeleton, seed=seed, hidden=0.2, batch=4) for seed in (0, 1)]
    moved = [Pose(p.joints.where(p.visible[..., None], 555.0), p.visible) for p in poses]
    for one, other in zip(poses, moved, strict=True):
        assert torch.equal(
            part_distances(one, skeleton, SIZE), part_distances(other, skeleton, SIZE)
        )
    assert torch.equal(part_field(*poses, skeleton, SIZE), part_field(*moved, skeleton, SIZE))


@pytest.mark.parametrize("name", SKELETONS)
def test_a_mirrored_pair_has_the_mirrored_field(name):
    skeleton = SKELETONS[name]
    poses = [scattered(skeleton, seed=seed, hidden=0.1) for seed in (0, 1)]
    field = part_field(*poses, skeleton, SIZE)
    mirrored = part_field(*(pose.flip(SIZE[1], skeleton) for pose in poses), skeleton, SIZE)
    back = mirrored.flip(-1)
    back = torch.stack([SIZE[1] - 1 - back[:, 0], back[:, 1]], dim=1)
    torch.testing.assert_close(back, field, atol=1e-2, rtol=1e-4)


def test_an_item_of_a_batch_is_as_if_alone(people):
    source, target = people(5, SIZE, hidden=0.3), people(5, SIZE, seed=1, hidden=0.3)
    together = part_field(source, target, OPENPOSE18, SIZE)
    for place in (0, 3):
        alone = part_field(source[[place]], target[[place]], OPENPOSE18, SIZE)
        torch.testing.assert_close(alone[0], together[place], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", SKELETONS)
def test_gradients_of_the_joints_are_finite(name):
    # Joints at whole pixels too, where distances are 0.
    skeleton = SKELETONS[name]
    source, target = scattered(skeleton, hidden=0.1), scattered(skeleton, seed=1, hidden=0.1)
    joints = [source.joints.requires_grad_(), target.joints.round().requires_grad_()]
    poses = [Pose(j, p.visible) for j, p in zip(joints, (source, target), strict=True)]
    part_field(*poses, skeleton, SIZE).square().mean().backward()
    for leaf in joints:
        assert leaf.grad.isfinite().all()
        assert leaf.grad.any()


def test_a_caller_s_bfloat16_does_not_move_pixels(people):
    source, target = people(2), people(2, seed=1)
    wanted = part_field(source, target, OPENPOSE18, (128, 64))
    with torch.autocast("cpu", torch.bfloat16):
        field = part_field(source, target, OPENPOSE18, (128, 64))
    assert torch.equal(field, wanted)


@pytest.mark.parametrize("softness", [0.0, -1.0])
def test_a_softness_that_is_not_positive_is_refused(softness, people):
    pose = people(1, SIZE)
    with pytest.raises(ValueError, match="softness must be positive"):
        inspect.unwrap(part_field)(pose, pose, OPENPOSE18, SIZE, softness)
