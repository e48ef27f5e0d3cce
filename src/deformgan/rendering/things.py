"""Thing: bicycles, posts, cars and the like as flat cut-outs, behind or in front of people."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deformgan.rendering.compiled import compiled
from deformgan.rendering.materials import linear

Kind = Literal["bicycle", "post", "car", "bin", "pram", "rail"]


@dataclass(frozen=True)
class Thing:
    """An upright flat object facing the camera.

    Attributes:
        kind: Its kind.
        x: Position to the right, in metres.
        distance: Position behind the origin, in metres; negative is in front.
        hue: Three numbers in [0, 1] that determine its colour.
        extra: Four numbers in [0, 1] that determine its proportions.
    """

    kind: Kind
    x: float
    distance: float
    hue: tuple[float, float, float]
    extra: tuple[float, float, float, float]

    def paint(self, origin: np.ndarray, rays: np.ndarray, color: np.ndarray) -> np.ndarray:
        """Paint it over a picture.

        Args:
            origin: (3,) position of the camera.
            rays: (N, 3) directions.
            color: (N, 3) albedo, changed in place.

        Returns:
            (N,) distance in ray lengths where it was painted, infinity elsewhere.
        """
        reach = (self.distance - origin[1]) / np.maximum(rays[:, 1], 1e-6)
        u, z = origin[0] + reach * rays[:, 0] - self.x, origin[2] + reach * rays[:, 2]
        near = np.flatnonzero((np.abs(u) < _HALF_WIDTH) & (z > 0) & (z < _HEIGHT))
        # Colours are never negative: pixels that still are were not painted.
        painted = np.full((len(near), 3), -1.0)
        hue = np.array(self.hue)
        main = linear(0.1 + 0.55 * hue.mean() ** 1.5 + 0.09 * (hue - hue.mean()))
        _PAINTERS[self.kind](u[near], z[near], main, np.array(self.extra), painted)
        hit = painted[:, 0] >= 0
        color[near[hit]] = painted[hit]
        depth = np.full(len(rays), np.inf)
        depth[near[hit]] = reach[near[hit]]
        return depth


def sample_thing(
    random: np.random.Generator, shares: dict[Kind, float], x: float, distance: float
) -> Thing:
    """Sample a thing at a given position.

    Args:
        random: Random generator.
        shares: Probability of each kind; the sum is 1.
        x: See `Thing`.
        distance: See `Thing`.
    """
    kinds = list(shares)
    kind = kinds[random.choice(len(kinds), p=list(shares.values()))]
    red, green, blue = random.uniform(0, 1, 3).tolist()
    first, second, third, fourth = random.random(4).tolist()
    return Thing(kind, x, distance, (red, green, blue), (first, second, third, fourth))


_HALF_WIDTH, _HEIGHT = 2.1, 4.5  # upper bounds for all things, in metres


@compiled
def _tube(u, z, u0, z0, u1, z1, width, paint, color):
    # A straight tube between two points; `width` is half its thickness.
    along, up = u1 - u0, z1 - z0
    square = along**2 + up**2
    for n in range(len(u)):
        t = min(max(((u[n] - u0) * along + (z[n] - z0) * up) / square, 0.0), 1.0)
        if (u[n] - u0 - t * along) ** 2 + (z[n] - z0 - t * up) ** 2 < width**2:
            color[n] = paint


def _bicycle(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    length = 0.5 * (0.35 + 0.65 * extra[0])  # foreshortened
    metal = linear((0.12, 0.12, 0.13))
    for wheel in (-length, length):
        radius = np.hypot((u - wheel) / (0.35 + 0.65 * extra[0]), z - 0.34)
        color[np.abs(radius - 0.32) < 0.022] = metal
        color[(radius < 0.3) & (np.abs((u * 17 + z * 9) % 1) < 0.1)] *= 0.8

    def bar(u0: float, z0: float, u1: float, z1: float, width: float):
        _tube(u, z, u0, z0, u1, z1, width, paint, color)

    bar(-length, 0.34, -0.1 * length, 0.36, 0.02)
    bar(-0.1 * length, 0.36, -0.35 * length, 0.82, 0.02)
    bar(-0.1 * length, 0.36, 0.7 * length, 0.75, 0.022)
    bar(-0.3 * length, 0.72, 0.72 * length, 0.78, 0.02)
    bar(length, 0.34, 0.68 * length, 0.98, 0.02)
    bar(-0.5 * length, 0.86, -0.2 * length, 0.86, 0.035)
    if extra[1] < 0.5:
        bar(0.75 * length, 0.75, 1.05 * length, 0.7, 0.09)


def _post(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    height, half = 0.8 + 3.5 * extra[0], 0.05 + 0.12 * extra[1] ** 2
    inside = (np.abs(u) < half) & (z > 0) & (z < height)
    color[inside] = (paint * (0.7 + 0.4 * (u / half + 1) / 2)[:, None])[inside]


def _car(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    half = 1.0 + 0.9 * extra[0]
    body = (np.abs(u) < half) & (z > 0.25) & (z < 0.85)
    roof = (np.abs(u + 0.1) < half * (0.75 - 0.4 * (z - 0.85))) & (z >= 0.85) & (z < 1.45)
    color[body] = (paint * (0.8 + 0.3 * z)[:, None])[body]
    color[roof] = linear((0.13, 0.15, 0.17))
    color[roof & (z > 1.38)] = paint
    color[(np.abs(u) < half) & (z > 0) & (z <= 0.25)] = linear((0.08, 0.08, 0.08))
    for wheel in (-0.6 * half, 0.6 * half):
        color[np.hypot(u - wheel, z - 0.3) < 0.3] = linear((0.07, 0.07, 0.07))


def _bin(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    half, height = 0.2 + 0.5 * extra[0], 0.3 + 0.9 * extra[1]
    inside = (np.abs(u) < half) & (z > 0) & (z < height)
    color[inside] = (paint * (0.75 + 0.35 * (z / height))[:, None])[inside]
    color[inside & (np.abs(z - 0.85 * height) < 0.03)] *= 0.5


def _pram(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    dark = linear((0.12, 0.12, 0.13))
    for wheel in (-0.28, 0.3):
        color[np.abs(np.hypot(u - wheel, z - 0.13) - 0.11) < 0.025] = dark
    for slope in (-0.55, 0.55):
        color[(np.abs(u - slope * (z - 0.4)) < 0.015) & (z > 0.13) & (z < 0.6)] = dark
    seat = (np.abs(u) < 0.36) & (z > 0.45) & (z < 0.72 + 0.2 * u)
    hood = (np.hypot(u - 0.12, z - 0.72) < 0.3) & (z > 0.7)
    color[seat] = (paint * (0.6 + 0.6 * z)[:, None])[seat]
    color[hood] = (paint * 1.25 * (0.5 + 0.5 * z)[:, None])[hood]
    color[(np.abs(u + 0.35 + 0.5 * (z - 0.6)) < 0.016) & (z > 0.55) & (z < 1.02)] = dark


def _rail(u: np.ndarray, z: np.ndarray, paint: np.ndarray, extra: np.ndarray, color: np.ndarray):
    grey = linear((0.5, 0.52, 0.53))
    top = 0.6 + 0.45 * extra[0]
    for height in (top, 0.5 * top):
        inside = np.abs(z - height) < 0.026
        color[inside] = grey * 1.15
    color[(np.abs((u + 2) % 1.5 - 0.75) < 0.03) & (z < top)] = grey * 0.85


_PAINTERS = {
    "bicycle": _bicycle,
    "post": _post,
    "car": _car,
    "bin": _bin,
    "pram": _pram,
    "rail": _rail,
}
