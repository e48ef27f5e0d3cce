"""Tests of the z-buffer against rays that are followed one by one."""

from importlib.util import find_spec

import numpy as np
import pytest

# Looked for, not imported: importing anny takes ten seconds even where no test needs it.
if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

from deformgan.rendering.rasterizer import rasterize

SIZE = (24, 17)


@pytest.fixture
def triangles():
    random = np.random.default_rng(0)
    corners = random.uniform([-2, -2, 3], [18, 25, 9], size=(12, 3, 3)).reshape(-1, 3)
    return corners, np.arange(36).reshape(12, 3)


def first_hit(corners: np.ndarray, triangles: np.ndarray, column: int, row: int):
    """Follows the ray of one pixel through a pinhole whose image plane is at depth 1.

    `corners` hold the pixel (x, y) and the depth; in space they are (x * depth, y * depth, depth).
    """
    space = corners * [1, 1, 0] * corners[:, 2:] + corners * [0, 0, 1]
    ray = np.array([column, row, 1.0])
    best = (np.inf, -1, None)
    for index, triangle in enumerate(triangles):
        a, b, c = space[triangle]
        # ray * t = wa a + wb b + wc c with weights that sum to one
        weights = np.linalg.solve(np.stack([a, b, c], axis=1), ray)
        t = 1 / weights.sum()
        weights = weights * t
        if t > 0 and (weights >= 0).all() and t < best[0]:
            best = (t, index, weights)
    return best


def test_every_pixel_shows_what_its_ray_hits_first(triangles):
    corners, faces = triangles
    fragments = rasterize(corners[:, :2], 1 / corners[:, 2], faces, SIZE)
    assert 0.2 < (fragments.triangle >= 0).mean() < 1
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            depth, index, weights = first_hit(corners, faces, column, row)
            assert fragments.triangle[row, column] == index
            if index >= 0:
                np.testing.assert_allclose(fragments.inverse_depth[row, column], 1 / depth)
                np.testing.assert_allclose(fragments.barycentric[row, column], weights, atol=1e-9)


def test_interpolation_gives_back_the_pixel_itself(triangles):
    corners, faces = triangles
    fragments = rasterize(corners[:, :2], 1 / corners[:, 2], faces, SIZE)
    space = corners[:, :2] * corners[:, 2:]
    rows, columns = np.nonzero(fragments.triangle >= 0)
    depth = 1 / fragments.inverse_depth[rows, columns]
    seen = fragments.interpolate(space, faces) / depth[:, None]
    np.testing.assert_allclose(seen, np.stack([columns, rows], axis=1), atol=1e-9)


def test_a_surface_ends_where_its_outline_is_crossed():
    corners = np.array([[-1.0, -1], [21, -1], [-1, 21], [21, 21]])
    faces = np.array([[0, 1, 2], [1, 3, 2]])
    inside = 9.5 - corners[:, 0]  # positive left of x = 9.5
    fragments = rasterize(corners, np.ones(4), faces, (20, 20), inside)
    np.testing.assert_array_equal((fragments.triangle >= 0).sum(axis=1), np.full(20, 10))


def test_what_lies_outside_the_picture_is_not_drawn():
    corners = np.array([[-30.0, -30], [-10, -30], [-30, -10]])
    fragments = rasterize(corners, np.ones(3), np.array([[0, 1, 2]]), (8, 8))
    assert (fragments.triangle == -1).all()
