"""Triangle meshes: normals, smoothing, ellipsoids and grids."""

import numpy as np

from deformgan.rendering.compiled import compiled


def normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Compute the unit normal at every vertex, (N, 3), averaged over its triangles by area."""
    total = _face_sums(np.ascontiguousarray(vertices), triangles)
    return total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-12)


@compiled
def _face_sums(vertices, triangles):
    # For every vertex, the sum of its triangles' normals, each twice the area long.
    total = np.zeros_like(vertices)
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        for axis in range(3):
            i, j = (axis + 1) % 3, (axis + 2) % 3
            normal = (vertices[b, i] - vertices[a, i]) * (vertices[c, j] - vertices[a, j])
            normal -= (vertices[b, j] - vertices[a, j]) * (vertices[c, i] - vertices[a, i])
            for corner in range(3):
                total[triangles[index, corner], axis] += normal
    return total


@compiled
def _averaged(vertices, triangles, rounds):
    for _ in range(rounds):
        total = np.zeros_like(vertices)
        count = np.zeros(len(vertices))
        for index in range(triangles.shape[0]):
            for corner in range(3):
                here = triangles[index, corner]
                for step in (1, 2):
                    there = triangles[index, (corner + step) % 3]
                    for axis in range(3):
                        total[here, axis] += vertices[there, axis]
                    count[here] += 1
        smooth = np.zeros_like(vertices)
        for here in range(len(vertices)):
            for axis in range(3):
                mean = total[here, axis] / max(count[here], 1.0)
                smooth[here, axis] = 0.5 * vertices[here, axis] + 0.5 * mean
        vertices = smooth
    return vertices


def smooth_cloth(vertices: np.ndarray, triangles: np.ndarray, rounds: int) -> np.ndarray:
    """Average vertices with their neighbours, as cloth does over hollows; never sink into skin."""
    smooth = _averaged(np.ascontiguousarray(vertices), triangles, rounds)
    outward = normals(vertices, triangles)
    sunk = ((vertices - smooth) * outward).sum(axis=1).clip(0)
    return smooth + sunk[:, None] * outward


def ellipsoid(
    center: np.ndarray, half: tuple[float, float, float], power: float, rings: int = 14
) -> tuple[np.ndarray, np.ndarray]:
    """Build an ellipsoid (power 2), or a box with round corners (power > 2).

    Args:
        center: (3,) in metres.
        half: Half axes in metres.
        power: Exponent of the superellipsoid.
        rings: Number of rings of vertices.

    Returns:
        Vertices (N, 3) and triangles (M, 3).
    """
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False),
        indexing="ij",
    )  # fmt: skip
    sphere = np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1
    ).reshape(-1, 3)
    scale = (np.abs(sphere) ** power).sum(axis=1, keepdims=True) ** (-1 / power)
    return center + sphere * scale * np.array(half), grid_triangles(rings, 2 * rings, True)


def grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Return the triangles of a grid of vertices, row by row; `closed` joins both sides."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:, :1]], axis=1)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1)
    quads = quads.reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
