"""value_noise: smooth random texture in 3D."""

import numpy as np

from deformgan.rendering.compiled import compiled


@compiled
def _lattice(i, j, k, seed):
    h = np.uint32(i * 374761393 + j * 668265263 + k * 2147483647 + seed * 974634777)
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1274126177))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(2246822519))
    return (h >> np.uint32(8)) / 16777216.0


@compiled
def _noise(points, seed, out):
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        u, v, w = x - i, y - j, z - k
        u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
        value = 0.0
        for di in range(2):
            for dj in range(2):
                for dk in range(2):
                    weight = (u if di else 1 - u) * (v if dj else 1 - v) * (w if dk else 1 - w)
                    value += weight * _lattice(i + di, j + dj, k + dk, seed)
        out[n] = value


def value_noise(points: np.ndarray, seed: int, octaves: int = 1) -> np.ndarray:
    """Evaluate smooth noise with a grain of one unit of length.

    Args:
        points: (N, 3), in units of the coarsest grain.
        seed: Random seed of the texture.
        octaves: Number of noises to add, each with half the grain and amplitude of the last.

    Returns:
        (N,) values in [0, 1], 0.5 on average.
    """
    total, strength = np.zeros(len(points)), 0.0
    for octave in range(octaves):
        out = np.empty(len(points))
        _noise(np.ascontiguousarray(points, dtype=np.float64) * 2.0**octave, seed + octave, out)
        total += out * 0.5**octave
        strength += 0.5**octave
    return total / strength
