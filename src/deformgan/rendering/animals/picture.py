"""render_animals: pictures of four-legged animals that do not exist."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deformgan.datasets.surfaces import FACE
from deformgan.rendering.animals.anatomy import Build, sample_build
from deformgan.rendering.animals.body import QUADRUPED20, Body, move
from deformgan.rendering.animals.coat import PIECES, Coat, paint, sample_coat
from deformgan.rendering.animals.stance import Stance, sample_stance
from deformgan.rendering.crowd import Passerby
from deformgan.rendering.mesh import normals
from deformgan.rendering.picture import Rendered, Solid, take_pictures
from deformgan.rendering.rasterizer import Fragments
from deformgan.rendering.scene import Camera, Light, Place, sample_light, sample_place
from deformgan.rendering.things import Thing

# Depth in metres behind the nearest surface up to which a joint is annotated. As in AP-10K, trunk
# and legs are annotated from every side, hidden or not, because their position can be inferred;
# eyes and nose of a head turned away are not.
_DEPTH = {"eye": 0.05, "nose": 0.1, "ear": 0.2}
_ANNOTATED = np.array([_DEPTH.get(joint.split("_")[-1], 9.0) for joint in QUADRUPED20.joints])
_UNHIDDEN = _ANNOTATED.clip(max=0.15)
_PLACES = 600
# Metres by which each leg is moved outwards: far enough that even matching through the body, from
# side to side, does not confuse them.
_APART = 0.5
_LEGS = ("leg", "paw")
_FACE = ("head", "eye", "ear", "horn")


@dataclass(frozen=True)
class Individual:
    """An animal with a fixed appearance.

    Attributes:
        seed: Random seed it was sampled from.
        build: Its proportions.
        coat: Its colours.
    """

    seed: int
    build: Build
    coat: Coat


def sample_individual(seed: int) -> Individual:
    """Sample an animal; equal seeds yield equal animals."""
    random = np.random.default_rng([seed, 11])
    return Individual(seed, sample_build(random), sample_coat(random))


@dataclass(frozen=True)
class AnimalShot:
    """One picture to take of an animal; see `Shot`.

    Attributes:
        individual: The animal.
        stance: Its pose.
        camera: The camera.
        light: Sun, sky and image degradation by the camera.
        place: The background.
        others: Always empty.
        before: Things between the animal and the camera.
        seed: Random seed for image noise.
    """

    individual: Individual
    stance: Stance
    camera: Camera
    light: Light
    place: Place
    others: tuple[Passerby, ...] = ()
    before: tuple[Thing, ...] = ()
    seed: int = 0


def sample_animal_shot(
    individual: Individual, seed: int, view: int, attempt: int = 0
) -> AnimalShot:
    """Sample the stance, place and camera of one picture.

    Args:
        individual: The animal.
        seed: Random seed of the whole data set.
        view: Index of the picture of this animal.
        attempt: Index of the attempt; each yields a different picture.
    """
    random = np.random.default_rng([individual.seed, seed, view, attempt, 5])
    place = sample_place(int(random.integers(_PLACES)))
    x, y = random.normal(0, 3, 2)
    distance = float(random.uniform(4.5, 12))
    light = sample_light(random)
    return AnimalShot(
        individual=individual,
        stance=sample_stance(random),
        camera=Camera(
            height=float(random.uniform(1.0, 1.8) + distance * random.uniform(0.0, 0.16)),
            distance=distance,
            margin=(float(random.uniform(0.04, 0.14)), float(random.uniform(0.04, 0.14))),
            shift=float(np.clip(random.normal(0, 0.03), -0.06, 0.06)),
        ),
        light=replace(light, saturation=light.saturation + 0.2),
        place=replace(place, offset=(float(x), float(y))),
        seed=int(random.integers(1 << 30)),
    )


def render_animals(shots: Sequence[AnimalShot], size: tuple[int, int] = (64, 64)) -> Rendered:
    """Render pictures of animals.

    Args:
        shots: Pictures to take; equal shots yield equal pictures.
        size: (height, width) of every picture in pixels.

    Returns:
        Pictures with the joints of `quadruped20`.
    """
    solids, boxes = [], []
    for shot in shots:
        body = move(shot.individual.build, shot.stance)
        solids.append(_solid(shot, body))
        tangents, _ = shot.camera.look(body.vertices)
        boxes.append(np.stack([tangents.min(axis=0), tangents.max(axis=0)]))
    return take_pictures(shots, solids, np.stack(boxes), size)


def _solid(shot: AnimalShot, body: Body) -> Solid:
    rest = move(shot.individual.build).vertices
    return Solid(
        world=body.vertices,
        triangles=body.triangles,
        keep=np.ones(len(body.vertices)),
        joints=body.joints,
        annotated=_ANNOTATED,
        unhidden=_UNHIDDEN,
        surface=lambda fragments: _surface(shot, body, rest, fragments),
        rest=_apart(rest, body.piece),
        layer=_layers(body),
    )


def _layers(body: Body) -> np.ndarray:
    # The piece of every triangle; the whole head counts as face.
    piece = body.piece[body.triangles[:, 0]]
    face = np.isin(piece, [number for number, name in enumerate(PIECES) if name in _FACE])
    return np.where(face, FACE, piece)


def _apart(rest: np.ndarray, piece: np.ndarray) -> np.ndarray:
    # Rest positions with left and right legs moved apart, so that positions distinguish them.
    leg = np.isin(piece, [number for number, name in enumerate(PIECES) if name in _LEGS])
    return rest + _APART * (np.sign(rest[:, 1]) * leg)[:, None] * np.array([0.0, 1.0, 0.0])


def _surface(
    shot: AnimalShot, body: Body, rest: np.ndarray, fragments: Fragments
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    covered = fragments.triangle >= 0
    facing = normals(body.vertices, body.triangles)
    # The normals at rest, not in the current stance.
    upward = normals(rest, body.triangles)[:, 2:]
    values = fragments.interpolate(
        np.column_stack([rest, body.along, upward, facing, body.vertices]), body.triangles
    )
    piece = body.piece[body.triangles[fragments.triangle[covered], 0]]
    normal = values[:, 5:8] / np.linalg.norm(values[:, 5:8], axis=1, keepdims=True).clip(1e-9)
    eye = np.array([0, -shot.camera.distance, shot.camera.height])
    normal *= np.sign(((eye - values[:, 8:]) * normal).sum(axis=1, keepdims=True))
    color = paint(shot.individual.coat, piece, values[:, :3], values[:, 3], values[:, 4])
    return color, normal, values[:, 8:]
