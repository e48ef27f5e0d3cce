"""Part regions: rectangles, squares, masks at every resolution, and what is missing."""

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from deformgan.parts import (
    hull_mask,
    hull_outline,
    inside_polygon,
    limb_corners,
    part_corners,
    part_masks,
    person_region,
    square_mask,
    unit_length,
)
from deformgan.pose import Part, Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

LIMBS = [place for place, part in enumerate(OPENPOSE18.parts) if part.region == "limb"]
TORSO, HEAD = OPENPOSE18.part_index("torso"), OPENPOSE18.part_index("head")


def from_keypoints(keypoints):
    """Take the golden layout: column 0 is y, -1 is missing."""
    joints = torch.from_numpy(keypoints[..., ::-1].copy())
    return Pose(joints, (joints != -1).all(dim=-1))


def unpack(packed, width):
    return np.unpackbits(packed, axis=-1)[..., :width].astype(bool)


def even_odd(corners, x, y):
    """Count the edges to the right of a point: another ray than the one under test."""
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def shoelace(corners):
    x, y = corners.unbind(dim=-1)
    return ((x * y.roll(-1, -1)).sum(-1) - (y * x.roll(-1, -1)).sum(-1)).abs() / 2


@pytest.mark.parametrize("size", ["128x64", "256x256"])
def test_masks_rectangles_and_unit_equal_the_authors(golden, size):
    stored = np.load(golden / f"poses_{size}.npz")
    height, width = map(int, size.split("x"))
    source, target = from_keypoints(stored["kp_from"]), from_keypoints(stored["kp_to"])
    for side, pose in enumerate([source, target]):
        # The authors only ever measure poses with a whole torso.
        valid = stored["valid"][:, side]
        lengths = unit_length(pose, OPENPOSE18).numpy()
        np.testing.assert_allclose(lengths[valid], stored["torso_len"][valid, side], atol=1e-9)
        assert np.array_equal(pose.usable(OPENPOSE18).numpy(), valid)
    for name, pose, extent in [
        ("poly_mask_to", target, "mask"),
        ("poly_transform_to", target, "fit"),
        ("poly_transform_from", source, "fit"),
    ]:
        corners, present = part_corners(pose, OPENPOSE18, extent)
        ours = torch.where(present[..., None, None], corners, torch.nan)[:, LIMBS]
        np.testing.assert_allclose(ours.numpy(), stored[name], atol=1e-9)
    for first in range(0, len(target), 10):  # a few at a time: less memory
        some = slice(first, first + 10)
        masks = part_masks(target[some], OPENPOSE18, (height, width), convention="reference")
        certain = ~unpack(stored["masks_ambiguous_packed"][some], width)
        theirs = unpack(stored["masks_packed"][some], width)
        assert np.array_equal(masks.numpy()[certain], theirs[certain])


def test_single_functions_equal_the_authors(golden):
    units = np.load(golden / "geometry_units.npz")
    unit, end_by, start_by, end_width, start_width = torch.from_numpy(units["poly_params"]).T
    start, end = torch.from_numpy(units["poly_fr"]), torch.from_numpy(units["poly_to"])
    # Theirs can taper; ours is as wide at the start as at the end.
    for width, corners in [(start_width, slice(0, 2)), (end_width, slice(2, 4))]:
        ours = limb_corners(start, end, unit * width, end_by, start_by)
        np.testing.assert_allclose(ours[:, corners], units["poly_out"][:, corners], atol=1e-9)

    x, y = torch.arange(48).double(), torch.arange(64).double()
    polygons = inside_polygon(torch.from_numpy(units["poly_xy"]), x, y)
    assert np.array_equal(polygons.numpy(), unpack(units["grid_in_poly"], 48))

    squares = square_mask(
        torch.from_numpy(units["head_center_xy"]).double(),
        torch.from_numpy(units["head_border"]),
        (64, 48),
        convention="reference",
    )
    assert np.array_equal(squares.numpy(), unpack(units["head_mask"], 48))


def test_a_polygon_matches_the_even_odd_rule_in_slow_loops():
    corners = torch.rand(12, 4, 2, dtype=torch.float64) * 14 - 1  # some cross themselves
    inside = inside_polygon(corners, torch.arange(9).double(), torch.arange(11).double())
    for item, polygon in enumerate(corners.tolist()):
        for row in range(11):
            for column in range(9):
                assert inside[item, row, column].item() == even_odd(polygon, column, row)


def test_polygons_that_share_an_edge_share_no_point_and_leave_none_out():
    corners = torch.tensor([[2.0, 1.0], [9.0, 1.0], [9.0, 8.0], [2.0, 8.0]])
    x, y = torch.arange(12.0), torch.arange(10.0)
    whole = inside_polygon(corners[None], x, y)[0]
    halves = inside_polygon(torch.stack([corners[[0, 1, 2]], corners[[0, 2, 3]]]), x, y)
    assert not (halves[0] & halves[1]).any()
    assert torch.equal(halves[0] | halves[1], whole)
    assert whole.sum() == 7 * 7


def test_a_limb_s_mask_has_the_area_of_its_rectangle(people):
    pose = people(6)
    # A frame so large that no limb leaves it.
    shifted = Pose(pose.joints + 60, pose.visible)
    masks = part_masks(shifted, OPENPOSE18, (260, 200))
    corners, present = part_corners(shifted, OPENPOSE18)
    area = shoelace(corners[:, LIMBS])
    perimeter = (corners - corners.roll(1, -2)).norm(dim=-1).sum(dim=-1)[:, LIMBS]
    counted = masks[:, LIMBS].sum(dim=(2, 3))
    assert present[:, LIMBS].all()
    assert ((counted - area).abs() < 0.5 * perimeter).all()
    assert (counted - area).mean().abs() < 1  # no bias


def test_a_limb_is_as_wide_as_the_skeleton_says_and_extended_at_both_ends():
    start, end = torch.tensor([10.0, 20.0]), torch.tensor([10.0, 60.0])
    corners = limb_corners(start, end, torch.tensor(4.0), torch.tensor(0.5))
    # The start moves up by a tenth of 40; the end moves down by half of 44.
    assert corners[:, 1].tolist() == [16, 16, 82, 82]
    assert sorted(corners[:, 0].tolist()) == [6, 6, 14, 14]


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_mask_at_a_stride_is_the_polygon_asked_at_the_centres_of_those_pixels(people, stride):
    pose = people(2, hidden=0.1)
    masks = part_masks(pose, OPENPOSE18, (128, 64), stride)
    assert masks.shape == (2, 10, 128 // stride, 64 // stride)
    corners, present = part_corners(pose, OPENPOSE18)
    for item in range(2):
        for part in LIMBS:
            polygon = corners[item, part].tolist()
            for row in range(0, 128 // stride, 3):
                for column in range(64 // stride):
                    x, y = (place * stride + (stride - 1) / 2 for place in (column, row))
                    wanted = present[item, part].item() and even_odd(polygon, x, y)
                    assert masks[item, part, row, column].item() == wanted


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_the_reference_takes_every_strideth_pixel_of_the_full_mask(people, stride):
    pose = people(3, hidden=0.1)
    full = part_masks(pose, OPENPOSE18, (128, 64), convention="reference")
    masks = part_masks(pose, OPENPOSE18, (128, 64), stride, convention="reference")
    assert torch.equal(masks, full[:, :, ::stride, ::stride])


def test_every_part_without_its_joints_is_empty_and_the_others_stay(people):
    pose = people(1)
    whole = part_masks(pose, OPENPOSE18, (128, 64))
    assert whole.any(dim=-1).any(dim=-1).all()
    unit = {joint for pair in OPENPOSE18.unit for joint in pair}
    for joint in OPENPOSE18.joints:
        visible = pose.visible.clone()
        visible[0, OPENPOSE18.index(joint)] = False
        masks = part_masks(Pose(pose.joints, visible), OPENPOSE18, (128, 64))[0]
        for place, part in enumerate(OPENPOSE18.parts):
            if part.region != "square" and joint in part.joints:
                assert not masks[place].any()
            elif joint not in unit and joint not in part.joints:
                assert torch.equal(masks[place], whole[0, place])


def test_a_pose_without_joints_has_no_masks_and_no_length(people):
    pose = people(2)
    nobody = Pose(pose.joints, torch.zeros_like(pose.visible))
    assert not part_masks(nobody, OPENPOSE18, (128, 64)).any()
    assert unit_length(nobody, OPENPOSE18).tolist() == [0, 0]
    assert not part_corners(nobody, OPENPOSE18)[1].any()


def test_the_torso_covers_the_whole_image(people):
    masks = part_masks(people(2), OPENPOSE18, (128, 64))
    assert masks[:, TORSO].all()


def test_a_limb_of_no_length_has_an_empty_mask(people):
    pose = people(1)
    hip, knee = OPENPOSE18.indices(["right_hip", "right_knee"])
    for place in [(26.0, 84.0), (26.5, 84.25)]:
        pose.joints[0, [hip, knee]] = torch.tensor(place)
        for convention in ("deformgan", "reference"):
            masks = part_masks(pose, OPENPOSE18, (128, 64), convention=convention)
            assert not masks[0, OPENPOSE18.part_index("right_thigh")].any()


def test_a_square_holds_the_pixel_centres_within_its_half_side():
    centre, half = torch.tensor([[7.3, 5.0]]), torch.tensor([2.4])
    mask = square_mask(centre, half, (12, 10))[0]
    for row in range(12):
        for column in range(10):
            assert mask[row, column].item() == (abs(column - 7.3) <= 2.4 and abs(row - 5) <= 2.4)


def test_the_reference_square_is_a_slice_of_whole_numbers_with_python_s_negative_stop():
    for x, y in [(7.6, 5.2), (0.4, 1.0), (-3.0, 4.0), (5.0, -6.0), (11.0, 13.0)]:
        mask = square_mask(
            torch.tensor([[x, y]]), torch.tensor([2.9]), (12, 10), convention="reference"
        )
        wanted = np.zeros((12, 10), dtype=bool)
        column, row, half = int(x), int(y), 2
        wanted[
            max(row - half, 0) : min(row + half, 12), max(column - half, 0) : min(column + half, 10)
        ] = True
        assert np.array_equal(mask[0].numpy(), wanted)


def test_the_head_is_centred_on_the_head_joints_that_are_seen(people):
    pose = people(1)
    seen = OPENPOSE18.indices(["nose", "right_ear"])
    pose.visible[0, OPENPOSE18.indices(OPENPOSE18.parts[HEAD].joints)] = False
    pose.visible[0, seen] = True
    centre = pose.joints[:, seen].mean(dim=1)
    half = unit_length(pose, OPENPOSE18) * OPENPOSE18.square_half
    masks = part_masks(pose, OPENPOSE18, (128, 64))
    assert torch.equal(masks[:, HEAD], square_mask(centre, half, (128, 64)))


def hull_in_slow_loops(points, margin, x, y):
    """Compute the hull by scipy, and every pixel's distance to it segment by segment."""
    corners = points[ConvexHull(points).vertices]
    edges = list(zip(corners, np.roll(corners, -1, axis=0), strict=True))
    mask = np.zeros((len(y), len(x)), dtype=bool)
    for row, column in np.ndindex(mask.shape):
        place = np.array([x[column], y[row]])
        inside = all(np.cross([*(b - a), 0], [*(place - a), 0])[2] >= 0 for a, b in edges)
        gaps = [
            np.linalg.norm(
                place - a - np.clip((place - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1) * (b - a)
            )
            for a, b in edges
        ]
        mask[row, column] = inside or min(gaps) <= margin
    return mask


@pytest.mark.parametrize("margin", [0.0, 2.3])
def test_a_hull_is_its_definition_in_slow_loops(margin):
    random = np.random.default_rng(0)
    x, y = np.arange(20.0), np.arange(24.0)
    points = random.uniform(3, 18, (6, 7, 2))
    seen = np.ones((6, 7), dtype=bool)
    seen[1, 2:4] = seen[2, 3:] = False
    masks = hull_mask(
        *map(torch.from_numpy, (points, seen, np.full(6, margin), x, y)),
    )
    for row in range(6):
        expected = hull_in_slow_loops(points[row][seen[row]], margin, x, y)
        assert np.array_equal(masks[row].numpy(), expected)


def test_a_hull_of_one_point_is_a_disc_and_of_points_on_a_line_a_bar():
    grid = torch.arange(12.0)
    points = torch.tensor([[[5.0, 5.0]] * 3, [[2.0, 5.0], [9.0, 5.0], [4.0, 5.0]]])
    seen = torch.tensor([[True, True, True], [True, True, True]])
    disc, bar = hull_mask(points, seen, torch.tensor([2.0, 1.0]), grid, grid)
    away = (grid[None] - 5).square() + (grid[:, None] - 5).square()
    assert disc.equal(away <= 4)
    rows, columns = bar.nonzero(as_tuple=True)
    assert set(rows.tolist()) == {4, 5, 6}
    assert set(columns[rows == 4].tolist()) == set(range(2, 10))
    assert set(columns[rows == 5].tolist()) == set(range(1, 11))
    assert not hull_mask(points, ~seen, torch.tensor([2.0, 1.0]), grid, grid).any()


def test_a_part_of_region_hull_needs_its_joints_and_reaches_its_margin():
    skeleton = Skeleton(
        name="leaf",
        joints=("a", "b", "c"),
        mirrored=(),
        limbs=(("a", "b"),),
        parts=(
            Part("all", "image", ("a", "b", "c"), needs=3, mandatory=True),
            Part("blade", "hull", ("a", "b", "c"), needs=3, margin=0.5),
        ),
        unit=(("a", "b"),),
        core=("a", "b", "c"),
    )
    joints = torch.tensor([[[4.0, 4.0], [12.0, 4.0], [8.0, 10.0]]]).repeat(2, 1, 1)
    visible = torch.tensor([[True] * 3, [True, True, False]])
    masks = part_masks(Pose(joints, visible), skeleton, (16, 16))[:, 1]
    grid = torch.arange(16.0)
    expected = hull_mask(joints[:1], visible[:1], torch.tensor([4.0]), grid, grid)
    assert masks[0].equal(expected[0])
    assert not masks[1].any()


def test_the_unit_leaves_out_a_segment_with_a_missing_end(people):
    pose = people(1)
    right = pose.joints[0, OPENPOSE18.index("right_hip")]
    right = (right - pose.joints[0, OPENPOSE18.index("right_shoulder")]).norm()
    pose.visible[0, OPENPOSE18.index("left_shoulder")] = False
    torch.testing.assert_close(unit_length(pose, OPENPOSE18)[0], right)


def by_definition(pose, size):
    """The whole person, pixel by pixel: limbs, head, and a torso with thick edges."""
    height, width = size
    region = torch.zeros(len(pose), height, width, dtype=torch.bool)
    torso = OPENPOSE18.parts[TORSO].joints
    lengths = unit_length(pose, OPENPOSE18)
    for item in range(len(pose)):
        at = dict(zip(OPENPOSE18.joints, pose.joints[item].tolist(), strict=True))
        seen = dict(zip(OPENPOSE18.joints, pose.visible[item].tolist(), strict=True))
        half = float(lengths[item]) * OPENPOSE18.limb_width / 2
        polygons = [
            bar(*(at[joint] for joint in part.joints), half, 0.1, part.extension)
            for part in OPENPOSE18.parts
            if part.region == "limb" and all(seen[joint] for joint in part.joints)
        ]
        if all(seen[joint] for joint in torso):
            polygons.append([at[joint] for joint in torso])
            for start, end in zip(torso, [*torso[1:], torso[0]], strict=True):
                polygons.append(bar(at[start], at[end], half, 0.0, 0.0))
        head = [at[joint] for joint in OPENPOSE18.parts[HEAD].joints if seen[joint]]
        reach = float(lengths[item]) * OPENPOSE18.square_half
        for row in range(height):
            for column in range(width):
                inside = any(even_odd(corners, column, row) for corners in polygons)
                if head:
                    x, y = (sum(axis) / len(head) for axis in zip(*head, strict=True))
                    inside |= abs(column - x) <= reach and abs(row - y) <= reach
                region[item, row, column] = inside
    return region


def bar(start, end, half, before, beyond):
    """A rectangle around a line that is lengthened at both ends: first its start, then its end."""
    (x1, y1), (x2, y2) = start, end
    x1, y1 = x1 + before * (x1 - x2), y1 + before * (y1 - y2)
    x2, y2 = x2 + beyond * (x2 - x1), y2 + beyond * (y2 - y1)
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    across = ((y2 - y1) / length * half, (x1 - x2) / length * half)
    return [
        (x1 + across[0], y1 + across[1]),
        (x1 - across[0], y1 - across[1]),
        (x2 - across[0], y2 - across[1]),
        (x2 + across[0], y2 + across[1]),
    ]


@pytest.mark.parametrize("hidden", [0.0, 0.15])
def test_a_person_s_region_is_its_definition_in_slow_loops(people, hidden):
    pose = people(4, hidden=hidden)
    pose = Pose(pose.joints.double(), pose.visible)
    region = person_region(pose, OPENPOSE18, (128, 64))
    assert torch.equal(region, by_definition(pose, (128, 64)))


def test_a_person_s_region_holds_every_joint_of_a_complete_pose_inside_the_frame(people):
    for size in [(128, 64), (256, 256)]:
        pose = people(20, (size[0], size[0] // 2))  # in proportion
        region = person_region(pose, OPENPOSE18, size)
        x, y = pose.joints.round().long().unbind(dim=-1)
        inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
        assert inside.all()
        item = torch.arange(20)[:, None]
        assert region[item, y, x].all()
        assert (region.float().mean(dim=(1, 2)) < 0.6).all()  # and is not simply everything


def test_a_torso_seen_edge_on_has_the_width_of_a_limb(people):
    pose = people(1)
    torso = OPENPOSE18.parts[TORSO].joints
    joints, visible = pose.joints.clone(), torch.zeros_like(pose.visible)
    for joint in torso:
        joints[0, OPENPOSE18.index(joint)] = torch.tensor(
            [30.0, 30.0 if joint.endswith("shoulder") else 70.0]
        )
        visible[0, OPENPOSE18.index(joint)] = True
    region = person_region(Pose(joints, visible), OPENPOSE18, (128, 64))[0]
    width = 40 * OPENPOSE18.limb_width
    assert region[31:70].sum(dim=1).tolist() == [width] * 39
    assert not region[:30].any()
    assert not region[71:].any()


def test_a_person_s_region_leaves_out_what_is_not_seen(people):
    pose = people(1)
    whole = person_region(pose, OPENPOSE18, (128, 64))
    masks = part_masks(pose, OPENPOSE18, (128, 64))
    visible = pose.visible.clone()
    visible[0, OPENPOSE18.index("left_wrist")] = False
    without = person_region(Pose(pose.joints, visible), OPENPOSE18, (128, 64))
    forearm = masks[0, OPENPOSE18.part_index("left_forearm")]
    gone = whole[0] & ~without[0]
    assert gone.any()
    assert not (gone & ~forearm).any()
    assert not (without & ~whole).any()
    # Without a hip there is no torso, but there are arms and a head.
    visible[0, OPENPOSE18.index("left_hip")] = False
    middle = pose.joints[0, OPENPOSE18.indices(OPENPOSE18.parts[TORSO].joints)].mean(dim=0).round()
    x, y = middle.long().tolist()
    region = person_region(Pose(pose.joints, visible), OPENPOSE18, (128, 64))
    assert whole[0, y, x]
    assert not region[0, y, x]
    assert region.any()
    nobody = Pose(pose.joints, torch.zeros_like(visible))
    assert not person_region(nobody, OPENPOSE18, (128, 64)).any()


def test_a_person_s_region_is_that_of_each_alone(people):
    pose = people(3, hidden=0.1)
    together = person_region(pose, OPENPOSE18, (128, 64))
    for item in range(3):
        alone = person_region(pose[[item]], OPENPOSE18, (128, 64))
        assert torch.equal(alone[0], together[item])


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_outline_of_a_hull_has_the_area_that_steiner_s_formula_says(count):
    random = torch.Generator().manual_seed(count)
    points = torch.rand(count, 2, generator=random) * 40 + 20
    outline = hull_outline(points, 6.0, corners=256)
    following = outline.roll(-1, dims=0)
    area = (outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0]).sum() / 2
    if count > 2:
        hull = ConvexHull(points.numpy())
        inside, around = hull.volume, hull.area  # in two dimensions: area and perimeter
    else:
        inside, around = 0.0, 2 * (points[0] - points[-1]).norm().item()
    expected = inside + around * 6.0 + np.pi * 6.0**2
    assert area.item() == pytest.approx(expected, rel=2e-3)
