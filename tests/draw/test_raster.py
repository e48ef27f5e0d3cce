"""Poses as pictures."""

import numpy as np
import pytest
import skimage.draw
import torch

from deformgan.draw.raster import (
    bar_corners,
    fill_disc,
    fill_polygon,
    line_coverage,
    rasterize_pose,
    rasterize_stickman,
)
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZES = ["128x64", "256x256"]


def golden_poses(golden, size):
    """The first five target poses, those the reference drew, and all arrays."""
    arrays = np.load(golden / f"poses_{size}.npz")
    keypoints = torch.from_numpy(arrays["kp_to"][:5])
    pose = Pose(keypoints.flip(-1), (keypoints != -1).all(dim=-1))
    return pose, arrays


@pytest.mark.parametrize("size", SIZES)
def test_draws_the_authors_pose_picture_to_the_pixel(golden, size):
    pose, arrays = golden_poses(golden, size)
    colours = arrays["draw_colors"]
    height, width = colours.shape[1:3]
    picture, drawn = rasterize_pose(pose, (height, width))
    np.testing.assert_array_equal(picture.permute(0, 2, 3, 1).numpy(), colours)
    mask = np.unpackbits(arrays["draw_mask_packed"], axis=-1)[..., :width].astype(bool)
    np.testing.assert_array_equal(drawn.numpy(), mask)


@pytest.mark.parametrize("size", SIZES)
def test_draws_the_authors_stickman_to_the_pixel(golden, size):
    pose, arrays = golden_poses(golden, size)
    expected = arrays["stickman_x2"]
    stickman = rasterize_stickman(pose, expected.shape[1:3])
    np.testing.assert_array_equal((2 * stickman).permute(0, 2, 3, 1).numpy(), expected)


def test_fills_polygons_as_the_reference_also_where_pixels_lie_on_edges(golden):
    units = np.load(golden / "geometry_units.npz")
    expected = np.unpackbits(units["draw_polygon"], axis=-1)[..., :48].astype(bool)
    filled = fill_polygon(torch.from_numpy(units["poly_xy"]), (64, 48))
    np.testing.assert_array_equal(filled.numpy(), expected)


def test_fills_polygons_like_scikit_image_where_no_pixel_lies_on_an_edge():
    corners = torch.rand(20, 5, 2, dtype=torch.float64) * 50 - 5
    filled = fill_polygon(corners, (40, 32))
    for polygon, ours in zip(corners.numpy(), filled.numpy(), strict=True):
        theirs = np.zeros((40, 32), dtype=bool)
        theirs[skimage.draw.polygon(polygon[:, 1], polygon[:, 0], (40, 32))] = True
        np.testing.assert_array_equal(ours, theirs)


def test_two_polygons_that_share_an_edge_fill_every_pixel_once():
    left = torch.tensor([[2.0, 1.0], [6.0, 1.0], [9.0, 9.0], [2.0, 9.0]])
    right = torch.tensor([[6.0, 1.0], [14.0, 1.0], [14.0, 9.0], [9.0, 9.0]])
    whole = torch.tensor([[2.0, 1.0], [14.0, 1.0], [14.0, 9.0], [2.0, 9.0]])
    filled = fill_polygon(torch.stack([left, right, whole]), (12, 16)).int()
    assert torch.equal(filled[0] + filled[1], filled[2])
    assert filled[2].sum() == 12 * 8


def test_draws_lines_like_scikit_image_in_every_direction():
    reach = torch.arange(-9, 10, dtype=torch.float64)
    ends = torch.cartesian_prod(reach, reach) + 12
    starts = torch.full_like(ends, 12.0)
    lines = line_coverage(starts, ends, (25, 25))
    for (x, y), ours in zip(ends.int().tolist(), lines.numpy(), strict=True):
        theirs = np.zeros((25, 25))
        rows, columns, values = skimage.draw.line_aa(12, 12, y, x)
        theirs[rows, columns] = values
        np.testing.assert_array_equal(ours, theirs)


def test_discs_leave_out_the_pixels_at_exactly_the_radius():
    centre = torch.tensor([[5.0, 4.0], [5.3, 4.8]], dtype=torch.float64)
    for (x, y), ours in zip(centre.tolist(), fill_disc(centre, 3.0, (10, 11)), strict=True):
        theirs = np.zeros((10, 11), dtype=bool)
        theirs[skimage.draw.disk((y, x), 3, shape=(10, 11))] = True
        np.testing.assert_array_equal(ours.numpy(), theirs)
    assert not fill_disc(centre[:1], 3.0, (10, 11))[0, 4, 8]


def test_a_bar_has_its_width_across_and_its_length_along():
    corners = bar_corners(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0]), 2.5)
    sides = (corners - corners.roll(1, dims=0)).norm(dim=-1)
    torch.testing.assert_close(sides, torch.tensor([5.0, 5.0, 5.0, 5.0]))
    torch.testing.assert_close(corners.mean(dim=0), torch.tensor([2.5, 4.0]))


def test_a_bar_without_length_is_finite_and_empty():
    point = torch.tensor([[7.0, 6.0]])
    corners = bar_corners(point, point, 4.0)
    assert corners.isfinite().all()
    assert not fill_polygon(corners, (16, 16)).any()


def test_missing_joints_and_their_bones_leave_no_trace():
    joints = torch.rand(1, 18, 2) * 60
    nobody = Pose(joints, torch.zeros(1, 18, dtype=torch.bool))
    picture, drawn = rasterize_pose(nobody, (64, 64))
    assert not drawn.any()
    assert not picture.any()
    assert not rasterize_stickman(nobody, (64, 64)).any()


def test_a_pose_is_drawn_the_same_alone_and_in_a_batch():
    pose = Pose(torch.rand(4, 18, 2) * 60, torch.rand(4, 18) < 0.8)
    together, _ = rasterize_pose(pose, (48, 40))
    for item in range(4):
        alone, _ = rasterize_pose(pose[item : item + 1], (48, 40))
        assert torch.equal(alone[0], together[item])


def test_every_joint_has_its_own_colour():
    joints = torch.stack([torch.arange(18) * 6.0 + 3, torch.full((18,), 4.0)], dim=-1)[None]
    alone = torch.eye(18, dtype=torch.bool)
    picture, _ = rasterize_pose(Pose(joints.expand(18, 18, 2), alone), (8, 112))
    colours = {tuple(picture[i, :, 4, 6 * i + 3].tolist()) for i in range(18)}
    assert len(colours) == len(OPENPOSE18.joints)
