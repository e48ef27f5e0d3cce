"""render_people: photographs of people who do not exist, with exact joints and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.pose import Pose
from deformgan.rendering.body import load_body_model, skin
from deformgan.rendering.identity import Identity
from deformgan.rendering.materials import Surface, linear, paint
from deformgan.rendering.posture import Posture, bone_rotations
from deformgan.rendering.rasterizer import Fragments, rasterize
from deformgan.rendering.scene import Camera, Light, Place
from deformgan.rendering.wardrobe import Dressed, dress, normals
from deformgan.skeletons import OPENPOSE18

SUPERSAMPLING = 4
_RIGHT_HIP, _LEFT_HIP = OPENPOSE18.indices(["right_hip", "left_hip"])
_BACKGROUND_SAMPLING = 2  # the background is blurred anyway
_SHADOW_SIZE = 256

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
        seed: Of the picture's noise.
    """

    identity: Identity
    posture: Posture
    camera: Camera
    light: Light
    place: Place
    seed: int = 0


@dataclass(frozen=True)
class RenderedPeople:
    """Pictures with everything that is known about them.

    Attributes:
        image: RGB in [-1, 1].
        pose: The joints of `openpose18` in pixels of `image`. A joint is visible where it lies in
            the frame and a detector would point at it: shoulders, hips and neck from every side,
            others where nothing hides them but a little (a leg behind the other one).
        mask: Share of every pixel that the person covers, in [0, 1].
        unhidden: The joints in the frame that no surface hides at all.
    """

    image: Float[Tensor, "batch 3 height width"]
    pose: Pose
    mask: Float[Tensor, "batch height width"]
    unhidden: Bool[Tensor, "batch joints"]


@dataclass(frozen=True)
class _Frame:
    # Pixels from tangents: pixel = scale * tangent + offset.
    scale: np.ndarray
    offset: np.ndarray

    def pixels(self, tangents: np.ndarray) -> np.ndarray:
        return tangents * self.scale + self.offset

    def tangents(self, pixels: np.ndarray) -> np.ndarray:
        return (pixels - self.offset) / self.scale

    def times(self, factor: int) -> "_Frame":
        # Pixel centres: x of the fine grid is factor * (x + 0.5) - 0.5.
        return _Frame(self.scale * factor, (self.offset + 0.5) * factor - 0.5)


@dataclass(frozen=True)
class _Posed:
    # A dressed person in the world, feet on the ground; joints (18, 3).
    dressed: Dressed
    world: np.ndarray
    joints: np.ndarray


def render_people(
    shots: Sequence[Shot], size: tuple[int, int] = (128, 64), one_crop: bool = False
) -> RenderedPeople:
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
    taken = [
        _take(shot, person, _fit(shot.camera, box, size), size)
        for shot, person, box in zip(shots, posed, boxes, strict=True)
    ]
    images, masks, joints, visible, unhidden = (
        np.stack(parts) for parts in zip(*taken, strict=True)
    )
    return RenderedPeople(
        image=torch.from_numpy(images).permute(0, 3, 1, 2).float() * 2 - 1,
        pose=Pose(torch.from_numpy(joints).float(), torch.from_numpy(visible)),
        mask=torch.from_numpy(masks).float(),
        unhidden=torch.from_numpy(unhidden),
    )


def _pose(shot: Shot, dressed: Dressed) -> _Posed:
    body = dressed.body
    motions = body.move(bone_rotations(body, shot.posture))
    world = skin(dressed.vertices, dressed.weights, motions)
    joints = body.joints(motions)
    # Feet on the ground, the hips above the origin.
    lift = np.array([0, 0, -world[dressed.keep > 0, 2].min()])
    lift[:2] = -joints[[_RIGHT_HIP, _LEFT_HIP], :2].mean(axis=0)
    return _Posed(dressed, world + lift, joints + lift)


def _box(shot: Shot, person: _Posed) -> np.ndarray:
    # The person's box in tangents: low and high corner, (2, 2).
    tangents, _ = shot.camera.look(person.world[person.dressed.keep > 0])
    return np.stack([tangents.min(axis=0), tangents.max(axis=0)])


def _fit(camera: Camera, box: np.ndarray, size: tuple[int, int]) -> _Frame:
    # The crop: the person's height fills the frame but for the margins, unless arms or legs would
    # not fit its width.
    height, width = size
    low, high = box
    top, bottom = camera.margin
    scale_y = height * (1 - top - bottom) / (high[1] - low[1])
    widest = (width * 0.98) / (high[0] - low[0])
    scale_x = min(scale_y * camera.widen * (2 * width / height), widest)
    scale_y = min(scale_y, scale_x * 1.25 / (2 * width / height))
    scale = np.array([scale_x, scale_y])
    middle = (low + high) / 2
    room = (width - scale_x * (high[0] - low[0])) / 2
    shift = np.clip(camera.shift * width, -room, room)
    center_y = height * (1 + top - bottom) / 2 - 0.5
    return _Frame(scale, np.array([width / 2 - 0.5 + shift, center_y]) - scale * middle)


def _take(shot: Shot, person: _Posed, frame: _Frame, size: tuple[int, int]):
    dressed, world = person.dressed, person.world
    tangents, depth = shot.camera.look(world)
    fine = frame.times(SUPERSAMPLING)
    fine_size = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    fragments = rasterize(
        fine.pixels(tangents), 1 / depth, dressed.triangles, fine_size, dressed.keep
    )
    color = _person_color(shot, dressed, world, fragments)
    alpha = (fragments.triangle >= 0).astype(np.float64)
    mask = _shrink(alpha, SUPERSAMPLING)

    behind = _background(shot, dressed, world, frame, size)
    image = _shrink(color, SUPERSAMPLING) + behind * (1 - mask[..., None])
    image = _develop(image, shot, size)

    joint_tangents, joint_depth = shot.camera.look(person.joints)
    places = frame.pixels(joint_tangents)
    inside = ((places > -0.5) & (places < np.array(size[::-1]) - 0.5)).all(axis=1)
    hidden = _hidden_by(fine.pixels(joint_tangents), joint_depth, fragments)
    visible = inside & (hidden < _ANNOTATED_DEPTH)
    unhidden = inside & (hidden < _SEEN_DEPTH)
    return image, mask, places, visible, unhidden


def _hidden_by(pixels: np.ndarray, depth: np.ndarray, fragments: Fragments) -> np.ndarray:
    # How far behind the nearest surface every joint lies, in metres; 0 where nothing is drawn.
    height, width = fragments.inverse_depth.shape
    column = np.rint(pixels[:, 0]).astype(int).clip(0, width - 1)
    row = np.rint(pixels[:, 1]).astype(int).clip(0, height - 1)
    nearest = fragments.inverse_depth[row, column]
    return np.where(nearest > 0, depth - 1 / np.maximum(nearest, 1e-9), 0.0)


def _person_color(
    shot: Shot, dressed: Dressed, world: np.ndarray, fragments: Fragments
) -> np.ndarray:
    # Reflected light per fine pixel, zero outside the person.
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
    light = _light_on(shot, normal, values[:, 9:], dressed, world)
    color = np.zeros((*covered.shape, 3))
    color[covered] = paint(dressed, shot.identity, at) * light
    return color


def _light_on(
    shot: Shot, normal: np.ndarray, places: np.ndarray, dressed: Dressed, world: np.ndarray
) -> np.ndarray:
    light = shot.light
    sun = np.array(light.direction)
    # Sky from above, a little light back from the ground; feet get less of it than the head.
    sky = light.sky * (0.66 + 0.34 * normal[:, 2]) * (0.8 + 0.12 * places[:, 2].clip(0, 1.7))
    # Some side light even under clouds gives bodies their roundness.
    side = np.array([sun[0], sun[1], 0.35])
    side = side / np.linalg.norm(side)
    sky = sky * (0.85 + 0.3 * (normal @ side))
    lit = (normal @ sun).clip(0) * light.sun * 1.5
    if light.sun > 0.1:
        lit = lit * (1 - _in_shadow(sun, places + 0.012 * normal, dressed, world))
    warm = np.array([1 + light.warmth, 1.0, 1 - light.warmth])
    return sky[:, None] + lit[:, None] * warm


def _in_shadow(
    sun: np.ndarray, places: np.ndarray, dressed: Dressed, world: np.ndarray
) -> np.ndarray:
    # A picture of the person as the sun sees them tells what it does not reach.
    right = np.cross(sun, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, sun)
    axes = np.stack([right, -up], axis=1)
    flat = world @ axes
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = (_SHADOW_SIZE - 4) / (high - low).max()
    seen = (flat - low) * scale + 2
    toward = world @ sun
    base = toward.min() - 1
    shadow = rasterize(
        seen, toward - base, dressed.triangles, (_SHADOW_SIZE, _SHADOW_SIZE), dressed.keep
    )
    here = (places @ axes - low) * scale + 2
    height = places @ sun - base
    total = np.zeros(len(places))
    for dx, dy in ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (0.0, 0.0)):
        column = np.rint(here[:, 0] + dx).astype(int).clip(0, _SHADOW_SIZE - 1)
        row = np.rint(here[:, 1] + dy).astype(int).clip(0, _SHADOW_SIZE - 1)
        total += shadow.inverse_depth[row, column] > height + 0.012
    return total / 5


def _background(
    shot: Shot, dressed: Dressed, world: np.ndarray, frame: _Frame, size: tuple[int, int]
) -> np.ndarray:
    factor = _BACKGROUND_SAMPLING
    grid = frame.times(factor)
    height, width = size[0] * factor, size[1] * factor
    rows, columns = np.mgrid[0:height, 0:width]
    tangents = grid.tangents(np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64))
    origin = np.array([0, -shot.camera.distance, shot.camera.height])
    light, sun = shot.light, np.array(shot.light.direction)
    color = shot.place.seen(origin, shot.camera.rays(tangents)).reshape(height, width, 3)

    # The person's shadow on the ground, and the dark spot under the feet on any day.
    flat = world - world[:, 2:] * sun / sun[2]
    flat[:, 2] = 0
    falls, depth = shot.camera.look(flat)
    cast = rasterize(
        grid.pixels(falls), 1 / depth, dressed.triangles, (height, width), dressed.keep
    )
    unit = height / 128
    sunless = _blur((cast.triangle >= 0).astype(np.float64), 0.8 * unit)
    low = world[(world[:, 2] < 0.12) & (dressed.keep > 0)] * [1, 1, 0]
    spots, _ = shot.camera.look(low)
    soles = np.zeros((height, width))
    places = np.rint(grid.pixels(spots)).astype(int)
    places = places[((places >= 0) & (places < [width, height])).all(axis=1)]
    soles[places[:, 1], places[:, 0]] = 1
    soles = (_blur(soles, 2.2 * unit) * 3).clip(0, 1)
    brightness = light.sky * 0.85 + light.sun * 1.5 * sun[2] * (1 - sunless)
    warm = 1 + np.outer(light.sun * light.warmth * (1 - sunless.ravel()), [1, 0, -1])
    lit = color * brightness[..., None] * warm.reshape(height, width, 3)
    lit = lit * (1 - 0.55 * soles[..., None])
    return _shrink(_blur(lit, 0.45 * unit), factor)


def _develop(image: np.ndarray, shot: Shot, size: tuple[int, int]) -> np.ndarray:
    # From light to a picture: lens blur, exposure, veil, film curve, noise.
    light = shot.light
    random = np.random.default_rng([shot.seed, 3])
    image = _blur(image, light.blur * size[0] / 128)
    image = image * light.exposure * np.array(light.cast)
    image = image * (1 - light.haze) + linear((0.7, 0.72, 0.74)) * light.haze
    bright = (image * 1.05).clip(0) ** (1 / 2.2)
    bright = 0.5 + (bright - 0.5) * light.contrast
    grey = bright @ np.array([0.299, 0.587, 0.114])
    bright = grey[..., None] + (bright - grey[..., None]) * light.saturation
    # A soft shoulder instead of hard white.
    bright = np.where(bright > 0.8, 0.8 + 0.2 * np.tanh((bright - 0.8) / 0.2), bright)
    grain = random.normal(0, light.noise, (*size, 1)) + random.normal(
        0, light.noise / 2, (*size, 3)
    )
    return (bright + grain).clip(0, 1)


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[0] // factor, image.shape[1] // factor
    return image.reshape(height, factor, width, factor, *image.shape[2:]).mean(axis=(1, 3))


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    radius = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(radius, radius) if n == axis else (0, 0) for n in range(image.ndim)]
        padded = np.pad(image, padding, mode="edge")
        count = image.shape[axis]
        image = sum(
            weight * padded.take(range(n, n + count), axis=axis) for n, weight in enumerate(kernel)
        )
    return image
