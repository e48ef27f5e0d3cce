"""Affine fits: two methods, degenerate points, borrowed twins, and the frames of sampling."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import AffineTransform

from deformgan.affine import fit_affine, global_transform, normalize, part_transforms
from deformgan.parts import part_corners
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

METHODS = ["least_squares", "total"]
IDENTITY = torch.eye(2, 3, dtype=torch.float64)
HEAD = OPENPOSE18.part_index("head")


def from_keypoints(keypoints):
    """Convert the golden layout: column 0 is y, -1 is missing."""
    joints = torch.from_numpy(keypoints[..., ::-1].copy())
    return Pose(joints, (joints != -1).all(dim=-1))


def random_transforms(*shape):
    turn = torch.randn(*shape, 2, 2, dtype=torch.float64) * 0.4 + torch.eye(2)
    return torch.cat([turn, torch.randn(*shape, 2, 1, dtype=torch.float64) * 10], dim=-1)


def apply(transform, points):
    return points @ transform[..., :2].mT + transform[..., None, :, 2]


def points(batch, count):
    """Point sets whose first three are far from any line."""
    corners = [(0, 0), (50, 5), (10, 45), (45, 50), (25, 20), (5, 25), (30, 40)]
    return torch.tensor(corners[:count]) + 15 * torch.rand(batch, count, 2, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
def test_points_that_an_affine_can_meet_give_that_affine(method):
    wanted = random_transforms(50)
    for count in (3, 4, 7):
        target = points(50, count)
        used = torch.ones(50, count, dtype=torch.bool)
        fitted, found = fit_affine(apply(wanted, target), target, used, method, min_spread=1e-3)
        assert found.all()
        torch.testing.assert_close(fitted, wanted, atol=1e-7, rtol=1e-7)


def test_least_squares_is_numpy_s():
    source, target = points(30, 6), points(30, 6)
    used = torch.rand(30, 6) < 0.7
    fitted, found = fit_affine(source, target, used)
    assert found.sum() > 15
    for item in found.nonzero()[:, 0].tolist():
        row = used[item]
        system = np.column_stack([target[item, row].numpy(), np.ones(int(row.sum()))])
        solution = np.linalg.lstsq(system, source[item, row].numpy(), rcond=None)[0].T
        np.testing.assert_allclose(fitted[item].numpy(), solution, atol=1e-8)


def test_total_least_squares_is_scikit_image_s():
    source, target = points(30, 6), points(30, 6)
    used = torch.rand(30, 6) < 0.8
    fitted, found = fit_affine(source, target, used, "total")
    assert found.sum() > 15
    for item in found.nonzero()[:, 0].tolist():
        row = used[item]
        theirs = AffineTransform.from_estimate(target[item, row].numpy(), source[item, row].numpy())
        scale = np.abs(theirs.params).max()  # a random set may be close to degenerate
        np.testing.assert_allclose(
            fitted[item].numpy() / scale, theirs.params[:2] / scale, atol=1e-8
        )


def test_total_least_squares_is_the_authors(golden):
    units = np.load(golden / "geometry_units.npz")
    target, source = torch.from_numpy(units["aff_src"]), torch.from_numpy(units["aff_dst"])
    used = ~target.isnan().any(dim=-1)
    fitted, found = fit_affine(source.nan_to_num(), target.nan_to_num(), used, "total")
    assert found.all()
    np.testing.assert_allclose(fitted.numpy(), units["aff_out"][:, :2], atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize("size", ["128x64", "256x256"])
def test_part_and_global_transforms_are_the_authors(golden, size):
    stored = np.load(golden / f"poses_{size}.npz")
    source, target = from_keypoints(stored["kp_from"]), from_keypoints(stored["kp_to"])
    for estimate, name in [(part_transforms, "affine"), (global_transform, "uniform")]:
        transforms, found = estimate(source, target, OPENPOSE18, "total")
        codes = stored[f"{name}_code"].reshape(found.shape)
        # 0: comparable; everything else is "no transform" or should have been.
        assert np.array_equal(found.numpy(), codes == 0)
        theirs = stored[name][..., :6].reshape(*codes.shape, 2, 3)
        np.testing.assert_allclose(transforms[found].numpy(), theirs[codes == 0], atol=1e-6)
        assert (transforms[~found] == IDENTITY).all()


def test_where_least_squares_and_total_differ_least_squares_is_closer_in_the_source():
    source, target = points(40, 5), points(40, 5)
    used = torch.ones(40, 5, dtype=torch.bool)
    errors = []
    for method in METHODS:
        fitted, _ = fit_affine(source, target, used, method)
        errors.append((apply(fitted, target) - source).square().sum(dim=(-2, -1)))
    assert (errors[0] <= errors[1] + 1e-9).all()
    assert (errors[0] < errors[1] - 1e-3).any()


def degenerate_sets(batch, dtype):
    """Target points without an area, with the sets' names."""
    place, along = points(batch, 1).to(dtype) * 15, torch.randn(batch, 1, 2, dtype=dtype)
    return {
        "one place": place.expand(-1, 5, -1),
        "two places": torch.cat([place.expand(-1, 2, -1), (place + 9).expand(-1, 3, -1)], dim=1),
        "a line": place + along * torch.randn(batch, 5, 1, dtype=dtype) * 30,
        "a long line": place + along * torch.randn(batch, 5, 1, dtype=dtype) * 600,
        "a limb of no length": place + torch.tensor([1.0, -1, -1, 1, 0], dtype=dtype)[:, None],
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", ["source", "target"])
def test_points_without_an_area_have_no_transform(method, side):
    used = torch.ones(3000, 5, dtype=torch.bool)
    for name, flat in degenerate_sets(3000, torch.float64).items():
        sets = [flat, points(3000, 5)] if side == "source" else [points(3000, 5), flat]
        fitted, found = fit_affine(*sets, used, method)
        assert not found.any(), name
        assert (fitted == IDENTITY).all()


def test_least_squares_refuses_points_without_an_area_in_single_precision_too():
    used = torch.ones(3000, 5, dtype=torch.bool)
    for name, flat in degenerate_sets(3000, torch.float32).items():
        if name != "a long line":  # whose rounding reaches half a pixel
            _, found = fit_affine(points(3000, 5).float(), flat, used)
            assert not found.any(), name


@pytest.mark.parametrize("method", METHODS)
def test_fewer_than_three_points_have_no_transform(method):
    source, target = points(8, 5), points(8, 5)
    used = torch.zeros(8, 5, dtype=torch.bool)
    for item in range(8):
        used[item, : item % 4] = True
    fitted, found = fit_affine(source, target, used, method)
    assert found.tolist() == [False, False, False, True] * 2
    assert (fitted[~found] == IDENTITY).all()


@pytest.mark.parametrize("method", METHODS)
def test_unused_points_change_nothing(method):
    source, target = points(10, 6), points(10, 6)
    used = torch.ones(10, 6, dtype=torch.bool)
    used[:, 2] = False
    fitted, _ = fit_affine(source, target, used, method)
    source[:, 2], target[:, 2] = 1e4, -3e4
    again, _ = fit_affine(source, target, used, method)
    torch.testing.assert_close(again, fitted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("spread", [0.4, 0.6])
def test_a_fit_needs_points_half_a_pixel_off_their_best_line(spread):
    # Root mean square distance from the x axis is `spread`.
    target = torch.tensor([[0.0, 1], [10, -1], [20, 1], [30, -1], [15, 0], [15, 0]]).double()
    target[:, 1] *= spread * (6 / 4) ** 0.5
    used = torch.ones(6, dtype=torch.bool)
    _, found = fit_affine(points(1, 6)[0], target, used)
    # The line is tilted a little by those points, which brings them nearer to it.
    assert found.item() == (spread == 0.6)


def strange_poses(batch, seed):
    """Poses that a detector may give on a bad day: joints missing, coinciding, in line, far off."""
    random = torch.Generator().manual_seed(seed)
    joints = torch.rand(batch, 18, 2, generator=random) * 128
    for item in range(batch):
        kind = item % 6
        some = torch.rand(18, generator=random) < 0.6
        if kind == 1:
            joints[item, some] = joints[item, 0].clone()
        elif kind == 2:
            joints[item, :, 0] = joints[item, :, 1] * 0.3 + 7
        elif kind == 3:
            joints[item] = joints[item].round()
            joints[item, :, 1] = 40
        elif kind == 4:
            joints[item] *= 1e4
        elif kind == 5:
            joints[item] = joints[item, 0].clone()
    visible = torch.rand(batch, 18, generator=random) < torch.rand(batch, 1, generator=random)
    visible[::7] = True
    return Pose(joints, visible)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_no_pose_gives_nan_and_what_is_not_found_is_the_identity(method, dtype):
    source, target = strange_poses(600, 1).to(dtype), strange_poses(600, 2).to(dtype)
    for estimate in (part_transforms, global_transform):
        transforms, found = estimate(source, target, OPENPOSE18, method)
        assert transforms.isfinite().all()
        assert (transforms[~found] == IDENTITY.to(dtype)).all()
        assert found.any()
        assert not found.all()
        normal = normalize(transforms, (128, 64))
        assert normal.isfinite().all()
        if method == "least_squares":
            # Half a pixel may become as much as the source is wide, no more.
            extent = source.joints.abs().amax(dim=(1, 2))[:, None, None]
            assert (transforms[..., :2].abs().amax(dim=-1) <= 4 * extent / 0.5).all()


def test_a_part_without_its_joints_in_either_pose_has_no_transform(people):
    pose = people(1)
    assert part_transforms(pose, people(1, seed=1), OPENPOSE18)[1].all()
    for place, part in enumerate(OPENPOSE18.parts):
        if part.region == "square":
            continue
        for joint in part.joints:
            hidden = pose.visible.clone()
            hidden[0, OPENPOSE18.index(joint)] = False
            _, found = part_transforms(pose, Pose(pose.joints, hidden), OPENPOSE18)
            assert not found[0, place], (part.name, joint)


def without(pose, *joints):
    visible = pose.visible.clone()
    visible[:, OPENPOSE18.indices(joints)] = False
    return Pose(pose.joints, visible)


@pytest.mark.parametrize("method", METHODS)
def test_a_limb_that_the_source_hides_is_taken_from_its_twin(people, method):
    source, target = people(3), people(3, seed=1)
    left, right = (OPENPOSE18.part_index(f"{side}_forearm") for side in ("left", "right"))
    hidden = without(source, "left_wrist")
    borrowed, found = part_transforms(hidden, target, OPENPOSE18, method)
    assert found[:, left].all()
    # The definition: the rectangle of the other arm, corner by corner.
    extent = "fit" if method == "total" else "mask"
    wanted, _ = fit_affine(
        part_corners(source, OPENPOSE18, extent)[0][:, right],
        part_corners(target, OPENPOSE18, extent)[0][:, left],
        torch.ones(3, 4, dtype=torch.bool),
        method,
    )
    torch.testing.assert_close(borrowed[:, left], wanted)
    # The twin keeps its own, and without either wrist there is nothing to borrow.
    torch.testing.assert_close(
        borrowed[:, right], part_transforms(source, target, OPENPOSE18, method)[0][:, right]
    )
    nothing = without(source, "left_wrist", "right_wrist")
    assert not part_transforms(nothing, target, OPENPOSE18, method)[1][:, [left, right]].any()


def test_a_limb_that_the_target_hides_is_not_taken_from_its_twin(people):
    target = without(people(3, seed=1), "left_wrist")
    transforms, found = part_transforms(people(3), target, OPENPOSE18)
    left, right = (OPENPOSE18.part_index(f"{side}_forearm") for side in ("left", "right"))
    assert not found[:, left].any()
    assert found[:, right].all()
    assert (transforms[:, left] == IDENTITY).all()


def test_the_head_needs_both_shoulders_and_one_head_joint_that_both_poses_share(people):
    source, target = people(1), people(1, seed=1)
    head = OPENPOSE18.parts[HEAD].joints
    cases = [
        ([], head[1:], True),
        (head[:3], head[3:], False),
        ([], head, False),
        (["left_shoulder"], [], False),
    ]
    for in_source, in_target, wanted in cases:
        _, found = part_transforms(
            without(source, *in_source), without(target, *in_target), OPENPOSE18
        )
        assert found[0, HEAD].item() == wanted


@pytest.mark.parametrize("method", METHODS)
def test_the_same_pose_twice_gives_identities(people, method):
    pose = people(3).to(torch.float64)
    transforms, found = part_transforms(pose, pose, OPENPOSE18, method)
    assert found.all()
    torch.testing.assert_close(transforms, IDENTITY.expand_as(transforms), atol=1e-8, rtol=0)


def test_moving_the_source_moves_what_every_transform_reads(people):
    source, target = people(3).to(torch.float64), people(3, seed=1).to(torch.float64)
    transforms, _ = part_transforms(source, target, OPENPOSE18)
    moved, _ = part_transforms(
        Pose(source.joints + torch.tensor([5.0, -3.0]), source.visible), target, OPENPOSE18
    )
    difference = moved - transforms
    torch.testing.assert_close(
        difference[..., 2], torch.tensor([5.0, -3.0]).double().expand(3, 10, 2)
    )
    assert difference[..., :2].abs().max() < 1e-9


def test_a_from_b_after_b_from_c_is_a_from_c():
    a, b, c = points(20, 3), points(20, 3), points(20, 3)
    used = torch.ones(20, 3, dtype=torch.bool)
    bottom = torch.tensor([0.0, 0.0, 1.0]).double().expand(20, 1, 3)
    a_from_b, b_from_c, a_from_c = (
        torch.cat([fit_affine(one, other, used)[0], bottom], dim=1)
        for one, other in ((a, b), (b, c), (a, c))
    )
    difference = (a_from_b @ b_from_c - a_from_c).flatten(1).abs().amax(dim=1)
    assert (difference < 1e-9 * (a_from_b @ b_from_c).flatten(1).abs().amax(dim=1) + 1e-6).all()


def test_normalizing_keeps_composition():
    pixels = random_transforms(2, 4)
    bottom = torch.tensor([0.0, 0.0, 1.0]).double().expand(4, 1, 3)
    first, second = torch.cat([pixels, bottom.expand(2, 4, 1, 3)], dim=-2)
    both = normalize((first @ second)[None, :, :2], (12, 7))[0]
    first, second = (
        torch.cat([normalize(one[None, :, :2], (12, 7))[0], bottom], dim=-2)
        for one in (first, second)
    )
    torch.testing.assert_close((first @ second)[:, :2], both)


def sample(image, x, y):
    """Read one channel between pixels; outside it is zero."""
    height, width = image.shape
    left, top = int(np.floor(x)), int(np.floor(y))
    value = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                value += (1 - abs(x - column)) * (1 - abs(y - row)) * image[row, column].item()
    return value


def sample_all(image, transform, stride=1, first=0.0):
    """Warp one channel pixel by pixel; `first` is where the map's first pixel is in the image."""
    warped = torch.zeros_like(image)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            place = torch.tensor([column, row]).double() * stride + first
            x, y = ((apply(transform, place[None])[0] - first) / stride).tolist()
            warped[row, column] = sample(image, x, y)
    return warped


def warp(image, theta):
    grid = F.affine_grid(theta[None], [1, 1, *image.shape], align_corners=False)
    return F.grid_sample(image[None, None], grid, align_corners=False)[0, 0]


def gentle_transforms(count):
    turn = torch.randn(count, 2, 2, dtype=torch.float64) * 0.3 + torch.eye(2)
    return torch.cat([turn, torch.randn(count, 2, 1, dtype=torch.float64) * 2], dim=-1)


def test_sampling_with_a_normalized_transform_is_reading_every_pixel():
    image = torch.rand(9, 6, dtype=torch.float64)
    for transform in gentle_transforms(5):
        theta = normalize(transform[None, None], (9, 6))[0, 0]
        torch.testing.assert_close(warp(image, theta), sample_all(image, transform))


@pytest.mark.parametrize("stride", [2, 4])
def test_one_half_pixel_transform_serves_every_resolution(stride):
    transforms = gentle_transforms(4)
    thetas = normalize(transforms[None], (24, 16))[0]
    level = torch.rand(24 // stride, 16 // stride, dtype=torch.float64)
    for transform, theta in zip(transforms, thetas, strict=True):
        # A pixel of the level is the middle of stride x stride pixels of the image.
        wanted = sample_all(level, transform, stride, first=(stride - 1) / 2)
        torch.testing.assert_close(warp(level, theta), wanted)


def test_pooling_and_moving_by_whole_pixels_of_the_pooled_map_commute():
    image = torch.rand(1, 1, 16, 24, dtype=torch.float64)
    move = torch.tensor([[1.0, 0.0, 8.0], [0.0, 1.0, -4.0]]).double()
    theta = normalize(move[None, None], (16, 24))[0, 0]
    pooled = F.avg_pool2d(image, 4)[0, 0]
    moved = F.avg_pool2d(warp(image[0, 0], theta)[None, None], 4)[0, 0]
    torch.testing.assert_close(warp(pooled, theta), moved)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_in_the_strided_frame_a_pixel_stands_for_the_first_of_its_image_pixels(stride):
    level = torch.rand(24 // stride, 16 // stride, dtype=torch.float64)
    for transform in gentle_transforms(4):
        theta = normalize(transform[None, None], (24, 16), "strided", stride)[0, 0]
        torch.testing.assert_close(warp(level, theta), sample_all(level, transform, stride))


def test_the_strided_frame_is_the_authors(golden):
    # Without masks, the maximum over one part is the sample itself.
    stored = np.load(golden / "warp.npz")
    vector = stored["uniform_128x64"][0, 0, :6].reshape(2, 3)
    for stride in (2, 4, 8):
        key = f"{128 // stride}x{64 // stride}_of_128x64"
        features = torch.from_numpy(stored[f"feat_x16_{key}"][0]).double().permute(2, 0, 1)
        theta = normalize(torch.from_numpy(vector)[None, None], (128, 64), "strided", stride)
        grid = F.affine_grid(theta[0], [1, *features.shape], align_corners=False)
        ours = F.grid_sample(features[None], grid, mode="nearest", align_corners=False)[0]
        certain = ~np.unpackbits(stored[f"ambiguous_full_packed_{key}"][0], axis=-1).astype(bool)
        certain = certain[:, : 64 // stride]
        theirs = stored[f"full_x16_{key}"][0]
        assert np.array_equal(ours.permute(1, 2, 0).numpy()[certain], theirs[certain])


def test_words_that_are_none_of_the_allowed_are_refused():
    # Without the type checks that only tests have.
    fit, normalizer = inspect.unwrap(fit_affine), inspect.unwrap(normalize)
    used = torch.ones(1, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="least_squares or total, got 'ransac'"):
        fit(points(1, 4), points(1, 4), used, "ransac")
    with pytest.raises(ValueError, match="half_pixel or strided, got 'corners'"):
        normalizer(random_transforms(1, 1), (8, 8), "corners")
