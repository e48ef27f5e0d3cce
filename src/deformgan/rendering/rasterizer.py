"""rasterize: the nearest triangle at every pixel, with barycentric coordinates."""

from dataclasses import dataclass

import numpy as np

from deformgan.rendering.compiled import compiled


@dataclass(frozen=True)
class Fragments:
    """The nearest surface at every pixel.

    Attributes:
        triangle: (height, width) index of the triangle, -1 if there is none.
        barycentric: (height, width, 3) perspective-correct weights of the triangle's corners, which
            interpolate anything that is linear on the surface.
        inverse_depth: (height, width) 1 / distance along the optical axis, in 1/m, 0 if there is no
            triangle.
    """

    triangle: np.ndarray
    barycentric: np.ndarray
    inverse_depth: np.ndarray

    def interpolate(self, values: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """Interpolate a value per vertex at all covered pixels, in row-major order.

        Args:
            values: (vertices,) or (vertices, channels).
            triangles: (triangles, 3) vertex indices, as passed to `rasterize`.
        """
        covered = self.triangle >= 0
        columns = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float64)
        corners = triangles[self.triangle[covered]]
        mixed = _mix_corners(columns, corners, self.barycentric[covered])
        return mixed.reshape(len(mixed), *values.shape[1:])


@compiled
def _mix_corners(values, corners, weights):
    out = np.zeros((corners.shape[0], values.shape[1]))
    for n in range(corners.shape[0]):
        for corner in range(3):
            weight, vertex = weights[n, corner], corners[n, corner]
            for channel in range(values.shape[1]):
                out[n, channel] += weight * values[vertex, channel]
    return out


@compiled
def _fill(x, y, inverse_depth, triangles, keep, height, width, face, weights, nearest):
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        if keep[a] <= 0 and keep[b] <= 0 and keep[c] <= 0:
            continue
        area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
        if abs(area) < 1e-12:
            continue
        left = max(0, int(np.ceil(min(x[a], x[b], x[c]))))
        right = min(width - 1, int(np.floor(max(x[a], x[b], x[c]))))
        top = max(0, int(np.ceil(min(y[a], y[b], y[c]))))
        bottom = min(height - 1, int(np.floor(max(y[a], y[b], y[c]))))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                wa = ((x[b] - column) * (y[c] - row) - (x[c] - column) * (y[b] - row)) / area
                wb = ((x[c] - column) * (y[a] - row) - (x[a] - column) * (y[c] - row)) / area
                wc = 1.0 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                # 1/depth is linear on the screen; weights divided by depth are linear in space.
                wa *= inverse_depth[a]
                wb *= inverse_depth[b]
                wc *= inverse_depth[c]
                here = wa + wb + wc
                if here <= nearest[row, column]:
                    continue
                if wa * keep[a] + wb * keep[b] + wc * keep[c] <= 0:
                    continue
                nearest[row, column] = here
                face[row, column] = index
                weights[row, column, 0] = wa / here
                weights[row, column, 1] = wb / here
                weights[row, column, 2] = wc / here


def rasterize(
    screen: np.ndarray,
    inverse_depth: np.ndarray,
    triangles: np.ndarray,
    size: tuple[int, int],
    keep: np.ndarray | None = None,
) -> Fragments:
    """Find the nearest triangle at every pixel centre.

    Args:
        screen: (vertices, 2) (x, y) in pixels, (0, 0) at the centre of the top-left pixel.
        inverse_depth: (vertices,) 1 / distance along the optical axis; all positive.
        triangles: (triangles, 3) vertex indices; both sides are drawn.
        size: (height, width).
        keep: (vertices,) values whose interpolation must be positive; elsewhere triangles are cut.
    """
    height, width = size
    face = np.full((height, width), -1, dtype=np.int32)
    weights = np.zeros((height, width, 3))
    nearest = np.zeros((height, width))
    if keep is None:
        keep = np.ones(len(screen))
    _fill(
        np.ascontiguousarray(screen[:, 0], dtype=np.float64),
        np.ascontiguousarray(screen[:, 1], dtype=np.float64),
        np.ascontiguousarray(inverse_depth, dtype=np.float64),
        np.ascontiguousarray(triangles, dtype=np.int64),
        np.ascontiguousarray(keep, dtype=np.float64),
        height,
        width,
        face,
        weights,
        nearest,
    )
    return Fragments(face, weights, nearest)
