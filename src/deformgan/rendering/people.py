"""render_people: photographs of people who do not exist, with exact joints and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deformgan.datasets.surfaces import FACE
from deformgan.rendering.body import load_body_model
from deformgan.rendering.crowd import Passerby
from deformgan.rendering.identity import Identity
from deformgan.rendering.materials import Surface, paint
from deformgan.rendering.picture import Rendered, Solid, take_pictures
from deformgan.rendering.posture import Posture, bone_rotations
from deformgan.rendering.rasterizer import Fragments
from deformgan.rendering.scene import Camera, Light, Place
from deformgan.rendering.things import Thing
from deformgan.rendering.wardrobe import LAYERS, Dressed, dress, normals
from deformgan.skeletons.openpose18 import OPENPOSE18

_RIGHT_HIP, _LEFT_HIP = OPENPOSE18.indices(["right_hip", "left_hip"])
_EARS = OPENPOSE18.indices(["right_ear", "left_ear"])
_CHIN = 0.06  # metres below the mouth

# How far, in metres, a joint may lie behind the nearest surface and still be annotated. Detectors
# point at a knee behind the other one, and at hips and shoulders from every side, but neither at an
# arm behind the trunk nor at a face turned away. With these depths the share of missing joints is
# that of the field's annotation of Market-1501 within a few points, wrists and ankles excepted,
# which motion blur and bad light hide there.
_DEPTH = {"shoulder": 0.6, "hip": 0.6, "neck": 0.6, "elbow": 0.25, "wrist": 0.25, "knee": 0.35}
_DEPTH |= {"ankle": 0.35, "nose": 0.05, "eye": 0.05, "ear": 0.06}
_ANNOTATED_DEPTH = np.array([_DEPTH[joint.split("_")[-1]] for joint in OPENPOSE18.joints])
# Joints lie inside the body: what is nearer to the surface than a limb is thick is not hidden.
_SEEN_DEPTH = _ANNOTATED_DEPTH.clip(max=0.15)


@dataclass(frozen=True)
class Shot:
    """One picture to take: who, doing what, where, seen how.

    Attributes:
        identity: Who it is.
        posture: What they do and where they look.
        camera: Which sees them.
        light: Sun, sky and the camera's picture.
        place: What is behind them.
        others: Who else is in the picture.
        before: What stands between them and the camera.
        seed: Of the picture's noise.
    """

    identity: Identity
    posture: Posture
    camera: Camera
    light: Light
    place: Place
    others: tuple[Passerby, ...] = ()
    before: tuple[Thing, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class _Posed:
    # A dressed person in the world, feet on the ground; joints (18, 3).
    dressed: Dressed
    world: np.ndarray
    joints: np.ndarray


def render_people(
    shots: Sequence[Shot], size: tuple[int, int] = (128, 64), one_crop: bool = False
) -> Rendered:
    """Takes pictures of people.

    Args:
        shots: What to take; the same shot is the same picture.
        size: (height, width) of every picture in pixels.
        one_crop: Whether all pictures show the same crop, which holds the person of each, as the
            frames of a film do. Otherwise everybody fills their own picture.
    """
    posed, who, dressed = [], None, {}
    for shot in shots:
        if shot.identity is not who:  # the same person often comes several times in a row
            who, dressed = shot.identity, {}
            body = load_body_model().shape(who.build)
        phone = shot.posture.holds_phone
        if phone not in dressed:
            dressed[phone] = dress(body, who, phone)
        posed.append(_pose(shot, dressed[phone]))
    boxes = np.stack([_box(s, p) for s, p in zip(shots, posed, strict=True)])  # (N, 2, 2)
    if one_crop:
        boxes[:] = np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])
    solids = [_solid(shot, person) for shot, person in zip(shots, posed, strict=True)]
    return take_pictures(shots, solids, boxes, size)


def _pose(shot: Shot, dressed: Dressed) -> _Posed:
    body = dressed.body
    motions = body.move(bone_rotations(body, shot.posture))
    world = dressed.move(motions)
    joints = body.joints(motions)
    # Feet on the ground, the hips above the origin.
    lift = np.array([0, 0, -world[dressed.keep > 0, 2].min()])
    lift[:2] = -joints[[_RIGHT_HIP, _LEFT_HIP], :2].mean(axis=0)
    return _Posed(dressed, world + lift, joints + lift)


def _box(shot: Shot, person: _Posed) -> np.ndarray:
    # The box in tangents of the person without their luggage: low and high corner, (2, 2).
    dressed = person.dressed
    tangents, _ = shot.camera.look(person.world[(dressed.keep > 0) & ~dressed.hangs])
    return np.stack([tangents.min(axis=0), tangents.max(axis=0)])


def _solid(shot: Shot, person: _Posed) -> Solid:
    dressed = person.dressed
    return Solid(
        world=person.world,
        triangles=dressed.triangles,
        keep=dressed.keep,
        joints=person.joints,
        annotated=_ANNOTATED_DEPTH,
        unhidden=_SEEN_DEPTH,
        surface=lambda fragments: _surface(shot, person, fragments),
        rest=dressed.apart(),
        layer=_layers(dressed),
    )


def _layers(dressed: Dressed) -> np.ndarray:
    # The layer of every triangle; skin in front of the ears and above the chin is a face.
    body = dressed.body
    at_rest = body.model.joint_weights @ body.vertices
    ears = at_rest[_EARS].mean(axis=0)
    chin = body.vertices[body.model.mouth].mean(axis=0)[2] - _CHIN
    middle = dressed.vertices[dressed.triangles].mean(axis=1)
    face = (
        (dressed.layer == LAYERS.index("skin")) & (middle[:, 1] < ears[1]) & (middle[:, 2] > chin)
    )
    return np.where(face, FACE, dressed.layer)


def _surface(
    shot: Shot, person: _Posed, fragments: Fragments
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Colour, normal and place of every covered fine pixel.
    dressed, world = person.dressed, person.world
    covered = fragments.triangle >= 0
    facing = normals(world, dressed.triangles)
    values = np.column_stack(
        [
            dressed.vertices,
            dressed.along_arm,
            dressed.along_leg,
            dressed.arm,
            facing,
            world,
        ]
    )
    values = fragments.interpolate(values, dressed.triangles)
    at = Surface(
        layer=dressed.layer[fragments.triangle[covered]],
        rest=values[:, :3],
        along_arm=values[:, 3],
        along_leg=values[:, 4],
        arm=values[:, 5],
    )
    normal = values[:, 6:9] / np.linalg.norm(values[:, 6:9], axis=1, keepdims=True).clip(1e-9)
    # Thin sheets are seen from both sides.
    eye = np.array([0, -shot.camera.distance, shot.camera.height])
    normal *= np.sign(((eye - values[:, 9:]) * normal).sum(axis=1, keepdims=True))
    return paint(dressed, shot.identity, at), normal, values[:, 9:]
