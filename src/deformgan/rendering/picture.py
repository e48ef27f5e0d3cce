"""take_pictures: render bodies to pictures, with exact joints, masks and backgrounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.datasets.surfaces import NOTHING
from deformgan.pose import Pose
from deformgan.rendering.crowd import Passerby, look_at
from deformgan.rendering.development import blur, develop, shrink
from deformgan.rendering.frame import Frame, fit_frame
from deformgan.rendering.rasterizer import Fragments, rasterize
from deformgan.rendering.scene import Camera, Light, Place
from deformgan.rendering.things import Thing

_SHADOW_SIZE = 256
_AROUND_JOINT = 0.04  # half side in metres of the square that must not be mostly covered


@dataclass(frozen=True)
class Rendered:
    """Pictures with their full ground truth.

    Attributes:
        image: RGB in [-1, 1].
        pose: Joints in pixels of `image`. A joint is visible if it lies in the frame and a detector
            would mark it: for people, shoulders, hips and neck from every side, others if they are
            at most slightly hidden (a leg behind the other one). No joint is visible if someone or
            something in front covers more than half of the 8 cm around it.
        mask: Share of every pixel that shows the person (or the animal), in [0, 1].
        background: The same picture without the person and their shadow, with the same light, blur,
            noise and things in front. RGB in [-1, 1].
        unhidden: Joints in the frame that no surface hides at all.
        surface: Position on the body at rest of the surface at every pixel centre, in metres; x
            points to the body's left. 0 if the pixel does not show the body. It is pure geometry,
            without motion blur, lens effects or noise.
        layer: Layer of the body to which that surface belongs (for people, see `LAYERS`), `FACE` on
            faces, `NOTHING` where the pixel shows the scene or something in front of the body.
    """

    image: Float[Tensor, "batch 3 height width"]
    pose: Pose
    mask: Float[Tensor, "batch height width"]
    background: Float[Tensor, "batch 3 height width"]
    unhidden: Bool[Tensor, "batch joints"]
    surface: Float[Tensor, "batch 3 height width"]
    layer: UInt8[Tensor, "batch height width"]

    def __getitem__(self, row: int) -> "Rendered":
        rows = slice(row, row + 1)
        pose = Pose(self.pose.joints[rows], self.pose.visible[rows])
        return Rendered(
            self.image[rows],
            pose,
            self.mask[rows],
            self.background[rows],
            self.unhidden[rows],
            self.surface[rows],
            self.layer[rows],
        )


@runtime_checkable
class View(Protocol):
    """Everything about a picture except its subject; see `Shot`."""

    @property
    def camera(self) -> Camera:
        """The camera."""
        ...

    @property
    def light(self) -> Light:
        """Sun, sky and image degradation by the camera."""
        ...

    @property
    def place(self) -> Place:
        """The background."""
        ...

    @property
    def others(self) -> tuple[Passerby, ...]:
        """Other people in the picture."""
        ...

    @property
    def before(self) -> tuple[Thing, ...]:
        """Things between the subject and the camera."""
        ...

    @property
    def seed(self) -> int:
        """Random seed for image noise."""
        ...


@dataclass(frozen=True)
class Solid:
    """A body in the world, standing on the ground.

    Attributes:
        world: (vertices, 3) in metres.
        triangles: (triangles, 3) vertex indices.
        keep: (vertices,) see `rasterize`.
        joints: (joints, 3) in metres.
        annotated: (joints,) depth in metres behind the nearest surface up to which a joint counts
            as visible.
        unhidden: (joints,) the same for joints that count as unoccluded.
        surface: Returns the surface at fragments: colour (N, 3), unit normals (N, 3) towards the
            camera, and positions (N, 3).
        rest: (vertices, 3) in metres, the body at rest, with left and right legs moved apart.
        layer: (triangles,) layer of each triangle; `FACE` on the face.
    """

    world: np.ndarray
    triangles: np.ndarray
    keep: np.ndarray
    joints: np.ndarray
    annotated: np.ndarray
    unhidden: np.ndarray
    surface: Callable[[Fragments], tuple[np.ndarray, np.ndarray, np.ndarray]]
    rest: np.ndarray
    layer: np.ndarray


def supersampling(size: tuple[int, int]) -> int:
    """Return the number of samples per pixel side: 4, or 2 for 256 rows and more."""
    return 4 if size[0] < 256 else 2


def take_pictures(
    views: Sequence[View], solids: Sequence[Solid], boxes: np.ndarray, size: tuple[int, int]
) -> Rendered:
    """Render a picture of each body.

    Args:
        views: Camera, light and surroundings of each picture.
        solids: The bodies.
        boxes: (N, 2, 2) low and high corner, in tangents, of the box to which each crop is fitted.
        size: (height, width) of every picture in pixels.
    """
    taken = [
        _take(view, solid, fit_frame(view.camera, box, size), size)
        for view, solid, box in zip(views, solids, boxes, strict=True)
    ]
    images, backgrounds, masks, joints, visible, unhidden, surfaces, layers = (
        np.stack(parts) for parts in zip(*taken, strict=True)
    )
    return Rendered(
        image=_tensor(images),
        background=_tensor(backgrounds),
        pose=Pose(torch.from_numpy(joints).float(), torch.from_numpy(visible)),
        mask=torch.from_numpy(masks).float(),
        unhidden=torch.from_numpy(unhidden),
        surface=torch.from_numpy(surfaces).permute(0, 3, 1, 2).float(),
        layer=torch.from_numpy(layers),
    )


def _tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() * 2 - 1


def _take(shot: View, solid: Solid, frame: Frame, size: tuple[int, int]):
    world = solid.world
    tangents, depth = shot.camera.look(world)
    samples = supersampling(size)
    fine = frame.times(samples)
    fine_size = (size[0] * samples, size[1] * samples)
    fragments = rasterize(fine.pixels(tangents), 1 / depth, solid.triangles, fine_size, solid.keep)
    color = _color(shot, solid, fragments)
    alpha = (fragments.triangle >= 0).astype(np.float64)
    before, nearest = _before(shot, fine, fine_size)
    free = nearest == 0
    step = np.rint(np.array(shot.light.motion) * fine_size[0] / 128).astype(int)
    color, alpha = (_moved(layer, step) * _like(free, layer) for layer in (color, alpha))
    mask = shrink(alpha, samples)
    covered = mask + shrink((~free).astype(np.float64), samples)

    behind, empty = _background(shot, solid, frame, size)
    before = shrink(before, samples)
    image = shrink(color, samples) + before + behind * (1 - covered[..., None])
    background = before + empty * (1 - (covered - mask)[..., None])
    image, background = (
        develop(picture, shot.light, shot.seed, size) for picture in (image, background)
    )

    joint_tangents, joint_depth = shot.camera.look(solid.joints)
    places = frame.pixels(joint_tangents)
    inside = ((places > -0.5) & (places < np.array(size[::-1]) - 0.5)).all(axis=1)
    spots = fine.pixels(joint_tangents)
    inside &= ~_covered_by(spots, _AROUND_JOINT * fine.scale / joint_depth[:, None], nearest)
    hidden = _hidden_by(spots, joint_depth, fragments)
    visible = inside & (hidden < solid.annotated)
    unhidden = inside & (hidden < solid.unhidden)
    surface, layer = _truth(shot, solid, frame, size)
    return image, background, mask, places, visible, unhidden, surface, layer


def _truth(
    shot: View, solid: Solid, frame: Frame, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    # The surface at every pixel centre: position at rest (height, width, 3) and layer.
    tangents, depth = shot.camera.look(solid.world)
    fragments = rasterize(frame.pixels(tangents), 1 / depth, solid.triangles, size, solid.keep)
    _, nearest = _before(shot, frame, size)
    shown = fragments.triangle >= 0
    surface, layer = np.zeros((*size, 3)), np.full(size, NOTHING, dtype=np.uint8)
    surface[shown] = fragments.interpolate(solid.rest, solid.triangles)
    layer[shown] = solid.layer[fragments.triangle[shown]]
    covered = nearest > 0
    surface[covered], layer[covered] = 0, NOTHING
    return surface, layer


def _like(flat: np.ndarray, layer: np.ndarray) -> np.ndarray:
    return flat[..., None] if layer.ndim > flat.ndim else flat


def _before(shot: View, fine: Frame, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    # Radiance and inverse depth of everything between the person and the camera, zero elsewhere.
    color, nearest = np.zeros((*size, 3)), np.zeros(size)
    if shot.before:
        origin, rays = _rays(shot.camera, fine, size)
        lit = shot.light.sky * 0.85 + shot.light.sun * 0.6
        flat, reach = color.reshape(-1, 3), np.full(len(rays), np.inf)
        for thing in sorted(shot.before, key=lambda thing: -thing.distance):
            reach = np.minimum(reach, thing.paint(origin, rays, flat))
        color, nearest = flat.reshape(color.shape) * lit, 1 / reach.reshape(size)
    for passerby in shot.others:
        if passerby.y < 0:
            seen = look_at(passerby, shot.camera, shot.light, fine.pixels, size)
            nearer = seen.inverse_depth > nearest
            color[nearer], nearest[nearer] = seen.color[nearer], seen.inverse_depth[nearer]
    return color, nearest


def _rays(camera: Camera, frame: Frame, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    # Position of the camera, and the direction of every pixel's ray, row by row.
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64)
    return np.array([0, -camera.distance, camera.height]), camera.rays(frame.tangents(pixels))


def _moved(layer: np.ndarray, step: np.ndarray) -> np.ndarray:
    # Motion blur: the mean of a layer moved by (x, y) pixels, half of it before and half after.
    count = int(np.abs(step).max())
    if count == 0:
        return layer
    shifts = np.rint(np.linspace(-0.5, 0.5, count + 1)[:, None] * step).astype(int)
    reach = int(np.abs(shifts).max())
    padding = [(reach, reach)] * 2 + [(0, 0)] * (layer.ndim - 2)
    padded = np.pad(layer, padding)
    height, width = layer.shape[:2]
    total = np.zeros_like(layer)
    for x, y in shifts.tolist():
        total += padded[reach - y :, reach - x :][:height, :width]
    return total / len(shifts)


def _covered_by(pixels: np.ndarray, half: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    # Whether more than half of the box around each pixel is covered.
    height, width = nearest.shape
    low = np.rint(pixels - half).astype(int).clip(0, [width - 1, height - 1])
    high = np.rint(pixels + half).astype(int).clip(0, [width - 1, height - 1])
    return np.array(
        [
            (nearest[top : bottom + 1, left : right + 1] > 0).mean() > 0.5
            for (left, top), (right, bottom) in zip(low, high, strict=True)
        ]
    )


def _hidden_by(pixels: np.ndarray, depth: np.ndarray, fragments: Fragments) -> np.ndarray:
    # Depth of every joint behind the nearest surface, in metres; 0 where nothing is drawn.
    height, width = fragments.inverse_depth.shape
    column = np.rint(pixels[:, 0]).astype(int).clip(0, width - 1)
    row = np.rint(pixels[:, 1]).astype(int).clip(0, height - 1)
    nearest = fragments.inverse_depth[row, column]
    return np.where(nearest > 0, depth - 1 / np.maximum(nearest, 1e-9), 0.0)


def _color(shot: View, solid: Solid, fragments: Fragments) -> np.ndarray:
    # Radiance per subpixel, zero outside the body.
    covered = fragments.triangle >= 0
    reflected, normal, places = solid.surface(fragments)
    shadow = 0.0
    if shot.light.sun > 0.1:
        sun = np.array(shot.light.direction)
        shadow = _in_shadow(sun, places + 0.012 * normal, solid)
    color = np.zeros((*covered.shape, 3))
    color[covered] = reflected * shot.light.on(normal, places, shadow)
    return color


def _in_shadow(sun: np.ndarray, places: np.ndarray, solid: Solid) -> np.ndarray:
    world = solid.world
    # Shadow map: what the sun does not see is in shadow.
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
        seen, toward - base, solid.triangles, (_SHADOW_SIZE, _SHADOW_SIZE), solid.keep
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
    shot: View, solid: Solid, frame: Frame, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    # The background with the body's shadow and without.
    world = solid.world
    factor = supersampling(size) // 2  # fewer samples suffice, because the background is blurred
    grid = frame.times(factor)
    height, width = size[0] * factor, size[1] * factor
    origin, rays = _rays(shot.camera, grid, (height, width))
    light, sun = shot.light, np.array(shot.light.direction)
    color, reach = shot.place.seen(origin, rays)
    reach = reach.reshape(height, width)
    color = color.reshape(height, width, 3)
    unit = height / 128

    # The person's cast shadow, and the contact shadow under the feet in any weather.
    flat = world - world[:, 2:] * sun / sun[2]
    flat[:, 2] = 0
    falls, depth = shot.camera.look(flat)
    cast = rasterize(grid.pixels(falls), 1 / depth, solid.triangles, (height, width), solid.keep)
    sunless = blur((cast.triangle >= 0).astype(np.float64), 0.8 * unit)
    low = world[(world[:, 2] < 0.12) & (solid.keep > 0)] * [1, 1, 0]
    spots, _ = shot.camera.look(low)
    soles = np.zeros((height, width))
    places = np.rint(grid.pixels(spots)).astype(int)
    places = places[((places >= 0) & (places < [width, height])).all(axis=1)]
    soles[places[:, 1], places[:, 0]] = 1
    soles = (blur(soles, 2.2 * unit) * 3).clip(0, 1)
    others = _others(shot, grid, (height, width), reach, origin, rays)

    def lit(sunless: np.ndarray, soles: np.ndarray) -> np.ndarray:
        direct = light.sun * (1 - sunless)[..., None]
        bright = light.sky * 0.85 + direct * 1.5 * sun[2]
        warm = 1 + direct * light.warmth * np.array([1, 0, -1])
        floor = color * bright * warm * (1 - 0.55 * soles[..., None]) * others.shade[..., None]
        seen = np.where(others.covered[..., None], others.color, floor)
        return shrink(blur(seen, 0.45 * unit), factor)

    nothing = np.zeros((height, width))
    return lit(sunless, soles), lit(nothing, nothing)


@dataclass(frozen=True)
class _Others:
    # Passers-by behind the person: radiance, coverage, and transmittance of the ground's light.
    color: np.ndarray
    covered: np.ndarray
    shade: np.ndarray


def _others(
    shot: View,
    grid: Frame,
    size: tuple[int, int],
    reach: np.ndarray,
    origin: np.ndarray,
    rays: np.ndarray,
) -> _Others:
    color, nearest = np.zeros((*size, 3)), 1 / reach
    covered, shade = np.zeros(size, dtype=bool), np.ones(size)
    for passerby in shot.others:
        away = np.hypot(
            origin[0] + reach * rays[:, 0].reshape(size) - passerby.x,
            origin[1] + reach * rays[:, 1].reshape(size) - passerby.y,
        )
        ground = origin[2] + reach * rays[:, 2].reshape(size) < 0.01
        shade *= 1 - 0.5 * np.exp(-((away / 0.35) ** 2)) * ground
        if passerby.y >= 0:
            seen = look_at(passerby, shot.camera, shot.light, grid.pixels, size)
            nearer = seen.inverse_depth > nearest
            color[nearer], nearest[nearer] = seen.color[nearer], seen.inverse_depth[nearer]
            covered |= nearer
    return _Others(color, covered, shade)
