"""render_people: pictures of people who do not exist, with exact joints and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deformgan.datasets.surfaces import FACE
from deformgan.rendering.body import load_body_model
from deformgan.rendering.crowd import Passerby
from deformgan.rendering.identity import Identity
from deformgan.rendering.materials import Surface, paint
from deformgan.rendering.mesh import normals
from deformgan.rendering.picture import Rendered, Solid, take_pictures
from deformgan.rendering.posture import Posture, bone_rotations
from deformgan.rendering.rasterizer import Fragments
from deformgan.rendering.scene import Camera, Light, Place
from deformgan.rendering.things import Thing
from deformgan.rendering.wardrobe import LAYERS, Dressed, dress
from deformgan.skeletons.openpose18 import OPENPOSE18

_RIGHT_HIP, _LEFT_HIP = OPENPOSE18.indices(["right_hip", "left_hip"])
_EARS = OPENPOSE18.indices(["right_ear", "left_ear"])
_CHIN = 0.06  # metres below the mouth

# Depth in metres behind the nearest surface up to which a joint is annotated. Detectors mark a knee
# behind the other one, and hips and shoulders from every side, but neither an arm behind the trunk
# nor a face turned away. With these depths, the share of missing joints agrees with the published
# annotation of Market-1501 within a few points, except for wrists and ankles, which are there
# hidden by motion blur and poor light.
_DEPTH = {"shoulder": 0.6, "hip": 0.6, "neck": 0.6, "elbow": 0.25, "wrist": 0.25, "knee": 0.35}
_DEPTH |= {"ankle": 0.35, "nose": 0.05, "eye": 0.05, "ear": 0.06}
_ANNOTATED_DEPTH = np.array([_DEPTH[joint.split("_")[-1]] for joint in OPENPOSE18.joints])
# Joints lie inside the body: at a depth less than the thickness of a limb they count as unoccluded.
_SEEN_DEPTH = _ANNOTATED_DEPTH.clip(max=0.15)


@dataclass(frozen=True)
class Shot:
    """One picture to take: person, posture, place and camera.

    Attributes:
        identity: The person.
        posture: Their pose and heading.
        camera: The camera.
        light: Sun, sky and image degradation by the camera.
        place: The background.
        others: Other people in the picture.
        before: Things between the person and the camera.
        seed: Random seed for image noise.
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
    # A dressed person in the world, standing on the ground; joints (18, 3).
    dressed: Dressed
    world: np.ndarray
    joints: np.ndarray


def render_people(
    shots: Sequence[Shot], size: tuple[int, int] = (128, 64), one_crop: bool = False
) -> Rendered:
    """Render pictures of people.

    Args:
        shots: Pictures to take; equal shots yield equal pictures.
        size: (height, width) of every picture in pixels.
        one_crop: Whether all pictures share one crop that contains everyone, like the frames of a
            film. Otherwise each person fills their own picture.
    """
    posed, who, dressed = [], None, {}
    for shot in shots:
        if shot.identity is not who:  # consecutive shots often show the same person
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
    # Place the feet on the ground and the hips above the origin.
    lift = np.array([0, 0, -world[dressed.keep > 0, 2].min()])
    lift[:2] = -joints[[_RIGHT_HIP, _LEFT_HIP], :2].mean(axis=0)
    return _Posed(dressed, world + lift, joints + lift)


def _box(shot: Shot, person: _Posed) -> np.ndarray:
    # Bounding box, in tangents, of the person without luggage: low and high corner, (2, 2).
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
    # The layer of every triangle; skin in front of the ears and above the chin is face.
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
    # Colour, normal and position of every covered subpixel.
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
    # Thin sheets are visible from both sides.
    eye = np.array([0, -shot.camera.distance, shot.camera.height])
    normal *= np.sign(((eye - values[:, 9:]) * normal).sum(axis=1, keepdims=True))
    return paint(dressed, shot.identity, at), normal, values[:, 9:]
