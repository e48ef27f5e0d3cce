"""Heat maps: the three fall-offs, missing joints, joints outside, and back to joints."""

import inspect
import math

import numpy as np
import pytest
import torch

from deformgan.heatmap import joints_from_heatmaps, render_heatmaps
from deformgan.pose import Pose

FORMULAS = {
    "gaussian": lambda squared, sigma: math.exp(-squared / (2 * sigma**2)),
    "exponential": lambda squared, sigma: math.exp(-math.sqrt(squared) / sigma),
    "terraced": lambda squared, sigma: math.exp(-math.ceil(squared / (2 * sigma**2))),
}
KINDS = list(FORMULAS)


def pose_at(*joints):
    joints = torch.tensor(joints, dtype=torch.float32)[None]
    return Pose(joints, torch.ones(joints.shape[:2], dtype=torch.bool))


@pytest.mark.parametrize("kind", KINDS)
def test_matches_the_definition_in_slow_loops(kind):
    joints = torch.rand(2, 5, 2, dtype=torch.float64) * 10 - 1
    visible = torch.tensor([[True, True, False, True, False], [False, True, True, True, True]])
    maps = render_heatmaps(Pose(joints, visible), (9, 7), sigma=1.7, kind=kind)
    assert maps.shape == (2, 5, 9, 7)
    for item in range(2):
        for joint in range(5):
            x, y = joints[item, joint].tolist()
            for row in range(9):
                for column in range(7):
                    squared = (column - x) ** 2 + (row - y) ** 2
                    wanted = FORMULAS[kind](squared, 1.7) * visible[item, joint].item()
                    assert maps[item, joint, row, column].item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_1_at_the_joint_and_nowhere_more(kind):
    maps = render_heatmaps(pose_at((3, 5), (0, 0), (9, 11)), (12, 10), kind=kind)
    assert maps[0, 0, 5, 3] == maps[0, 1, 0, 0] == maps[0, 2, 11, 9] == 1
    assert (maps == 1).sum() == 3
    assert maps.max() == 1
    assert maps.min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_joint_leaves_an_empty_map(kind):
    pose = pose_at((3, 5), (4, 4))
    pose.visible[0, 1] = False
    maps = render_heatmaps(pose, (12, 10), kind=kind)
    assert maps[0, 0].all()
    assert not maps[0, 1].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_joint_outside_the_frame_leaves_its_tail(kind):
    maps = render_heatmaps(pose_at((-4, 5)), (12, 10), kind=kind)
    assert maps.max() == maps[0, 0, 5, 0]  # the pixel nearest to it
    assert maps.max().item() == pytest.approx(FORMULAS[kind](16, 6.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_by_whole_pixels_shifts_the_map(kind):
    near = render_heatmaps(pose_at((3.3, 5.6)), (12, 10), kind=kind)
    far = render_heatmaps(pose_at((5.3, 9.6)), (16, 12), kind=kind)
    torch.testing.assert_close(far[..., 4:, 2:], near)


@pytest.mark.parametrize("kind", KINDS)
def test_joints_are_read_back_from_their_maps(kind):
    joints = torch.stack([torch.arange(18) % 11, torch.arange(18) % 17], dim=-1).float()[None]
    pose = Pose(joints, torch.rand(1, 18) < 0.7)
    found = joints_from_heatmaps(render_heatmaps(pose, (17, 11), kind=kind))
    assert torch.equal(found.visible, pose.visible)
    assert torch.equal(found.joints[found.visible], pose.joints[pose.visible])
    assert not found.joints[~found.visible].any()


def test_a_joint_whose_peak_is_not_above_the_threshold_is_not_visible():
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 0, 1, 2], maps[0, 1, 1, 2], maps[0, 2, 1, 2] = 0.25, 0.26, 0.24
    found = joints_from_heatmaps(maps, threshold=0.25)
    assert found.visible.tolist() == [[False, True, False]]
    assert found.joints[0, 1].tolist() == [2, 1]


@pytest.mark.parametrize("size", ["128x64", "256x256"])
def test_equals_the_authors_maps(golden, size):
    stored = np.load(golden / f"poses_{size}.npz")
    height, width = map(int, size.split("x"))
    stride = int(stored["heat_grid_stride"])
    for place, keypoints in enumerate(stored["kp_to"]):
        joints = torch.from_numpy(keypoints[None, :, ::-1].copy())
        pose = Pose(joints, (joints != -1).all(dim=-1))
        # Their Python 2 divides whole numbers by flooring; other joints escape it.
        kind = "gaussian" if stored["tags"][place] == "subpixel" else "terraced"
        maps = render_heatmaps(pose, (height, width), kind=kind)[0]
        grid = maps[:, ::stride, ::stride].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(grid, stored["heat_grid"][place], atol=1e-6)
        np.testing.assert_allclose(
            maps.sum(dim=(1, 2)).numpy(), stored["heat_sum"][place], 1e-5, 1e-5
        )
        found = joints_from_heatmaps(maps[None])
        back = torch.where(found.visible[0, :, None], found.joints[0].flip(-1), -1.0)
        assert np.array_equal(back.numpy(), stored["map_to_cord"][place])
        for full in (stored["heat_full_ids"] == place).nonzero()[0]:
            np.testing.assert_allclose(
                maps.permute(1, 2, 0).numpy(), stored["heat_full"][full], atol=1e-6
            )


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_a_sigma_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be positive"):
        render_heatmaps(pose_at((1, 1)), (4, 4), sigma=sigma)


def test_a_kind_that_is_none_of_the_three_is_refused():
    render = inspect.unwrap(render_heatmaps)  # without the type checks that only tests have
    with pytest.raises(ValueError, match="gaussian, exponential or terraced, got 'square'"):
        render(pose_at((1, 1)), (4, 4), kind="square")
