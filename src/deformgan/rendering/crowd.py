"""Passerby: other people in the picture, behind or in front of the person."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deformgan.rendering.body import load_body_model
from deformgan.rendering.identity import sample_identity
from deformgan.rendering.materials import Surface, paint
from deformgan.rendering.mesh import normals
from deformgan.rendering.posture import bone_rotations, sample_posture
from deformgan.rendering.rasterizer import Fragments, rasterize
from deformgan.rendering.scene import Camera, Light
from deformgan.rendering.wardrobe import dress

# Passers-by reuse a small number of figures, each a person in one posture, rotated and placed
# anywhere. They occur in no data set as identities.
NUM_FIGURES = 48
_FIRST_FIGURE = 1 << 60


@dataclass(frozen=True)
class Passerby:
    """Another person in the picture.

    Attributes:
        figure: Index of the figure, below `NUM_FIGURES`.
        x: Position to the right, in metres.
        y: Position behind the person, in metres; negative is in front.
        heading: Direction they face, in degrees, as in `Posture`.
    """

    figure: int
    x: float
    y: float
    heading: float

    def world(self) -> np.ndarray:
        """Return the figure's vertices at the passer-by's position, (N, 3) in metres."""
        angle = np.radians(self.heading)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        return _figure(self.figure).vertices @ turn.T + np.array([self.x, self.y, 0])


@dataclass(frozen=True)
class _Figure:
    # A person standing at the origin, facing -y; color is the albedo per vertex.
    vertices: np.ndarray
    triangles: np.ndarray
    keep: np.ndarray
    color: np.ndarray


@lru_cache(maxsize=NUM_FIGURES)
def _figure(number: int) -> _Figure:
    person = sample_identity(_FIRST_FIGURE + number)
    posture = sample_posture(np.random.default_rng([number, 5]))
    dressed = dress(load_body_model().shape(person.build), person, posture.holds_phone)
    motions = dressed.body.move(bone_rotations(dressed.body, posture))
    vertices = dressed.move(motions)
    vertices = vertices - [*vertices[:, :2].mean(axis=0), vertices[dressed.keep > 0, 2].min()]
    angle = np.radians(-posture.heading)
    cos, sin = np.cos(angle), np.sin(angle)
    vertices = vertices @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    # One layer per vertex: garments share no vertices.
    layer = np.zeros(len(vertices), dtype=dressed.layer.dtype)
    layer[dressed.triangles] = dressed.layer[:, None]
    at = Surface(layer, dressed.vertices, dressed.along_arm, dressed.along_leg, dressed.arm)
    return _Figure(vertices, dressed.triangles, dressed.keep, paint(dressed, person, at))


@dataclass(frozen=True)
class Seen:
    """Rendered image of a passer-by.

    Attributes:
        color: (height, width, 3) radiance, zero where nobody is visible.
        inverse_depth: (height, width) in 1/m, 0 where nobody is visible.
    """

    color: np.ndarray
    inverse_depth: np.ndarray


def look_at(
    passerby: Passerby, camera: Camera, light: Light, pixels, size: tuple[int, int]
) -> Seen:
    """Render a passer-by.

    Args:
        passerby: The person.
        camera: The camera.
        light: Light on them.
        pixels: Converts the camera's tangents (N, 2) to pixels.
        size: (height, width) of the picture.
    """
    figure, world = _figure(passerby.figure), passerby.world()
    tangents, depth = camera.look(world)
    if depth.min() < 0.3:  # beside the camera, not in front of it
        return Seen(np.zeros((*size, 3)), np.zeros(size))
    fragments = rasterize(pixels(tangents), 1 / depth, figure.triangles, size, figure.keep)
    return Seen(_shade(figure, world, camera, light, fragments), fragments.inverse_depth)


def _shade(
    figure: _Figure, world: np.ndarray, camera: Camera, light: Light, fragments: Fragments
) -> np.ndarray:
    values = np.column_stack([figure.color, normals(world, figure.triangles), world])
    values = fragments.interpolate(values, figure.triangles)
    normal = values[:, 3:6] / np.linalg.norm(values[:, 3:6], axis=1, keepdims=True).clip(1e-9)
    eye = np.array([0, -camera.distance, camera.height])
    normal *= np.sign(((eye - values[:, 6:]) * normal).sum(axis=1, keepdims=True))
    color = np.zeros((*fragments.triangle.shape, 3))
    color[fragments.triangle >= 0] = values[:, :3] * light.on(normal, values[:, 6:])
    return color


def sample_passersby(random: np.random.Generator) -> tuple[Passerby, ...]:
    """Sample other people in the picture: often none, rarely one right in front of the person."""
    people = []
    for _ in range(random.choice(4, p=[0.5, 0.28, 0.15, 0.07])):
        y = float(random.uniform(0.7, 9.0))
        x = float(random.uniform(-1, 1)) * (0.7 + 0.12 * y)
        people.append(_at(random, x, y))
    if random.random() < 0.035:  # someone between the person and the camera
        x = float(random.choice([-1, 1]) * random.uniform(0.25, 0.6))
        people.append(_at(random, x, float(random.uniform(-1.6, -0.5))))
    return tuple(people)


def _at(random: np.random.Generator, x: float, y: float) -> Passerby:
    return Passerby(int(random.integers(NUM_FIGURES)), x, y, float(random.uniform(-180, 180)))
