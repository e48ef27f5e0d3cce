"""Camera, Light, Place: the camera, lighting and surroundings of a person."""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from deformgan.rendering.identity import Color
from deformgan.rendering.materials import linear
from deformgan.rendering.noise import value_noise
from deformgan.rendering.things import Kind, sample_thing


@dataclass(frozen=True)
class Camera:
    """A surveillance camera, and the crop around the person in its picture.

    Attributes:
        height: Height above the ground, in metres.
        distance: Horizontal distance to the person, in metres.
        margin: Share of the crop's height above the head and below the feet, (top, bottom).
        shift: Offset of the person from the crop's centre, as a share of the crop's width.
        widen: Horizontal stretch of the crop; data sets squeeze boxes into one shape.
        whole: Whether the crop's width must contain arms and legs, however far they reach.
    """

    height: float
    distance: float
    margin: tuple[float, float] = (0.05, 0.05)
    shift: float = 0.0
    widen: float = 1.0
    whole: bool = True

    def look(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project points of the world.

        The camera is at y = -distance and looks along +y, towards the person's waist.

        Args:
            points: (N, 3) in metres.

        Returns:
            Tangents (N, 2) to the right and down; depth (N,) along the optical axis in metres.
        """
        right, down, forward = self._axes()
        seen = points - np.array([0, -self.distance, self.height])
        depth = seen @ forward
        return np.stack([seen @ right, seen @ down], axis=1) / depth[:, None], depth

    def rays(self, tangents: np.ndarray) -> np.ndarray:
        """Return the directions in the world, (N, 3), of tangents (N, 2)."""
        right, down, forward = self._axes()
        return tangents[:, :1] * right + tangents[:, 1:] * down + forward

    def _axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pitch = np.arctan2(self.height - 0.9, self.distance)
        right = np.array([1.0, 0, 0])
        forward = np.array([0, np.cos(pitch), -np.sin(pitch)])
        return right, np.cross(forward, right), forward


@dataclass(frozen=True)
class Light:
    """Lighting by sun and sky, and image degradation by the camera.

    Attributes:
        direction: (3,) from the ground towards the sun, unit length.
        sun: Strength of the direct light; 0 is overcast.
        sky: Strength of the ambient light.
        warmth: Reddening of the sun relative to the sky.
        exposure: Brightness of the picture.
        cast: Colour balance of the picture, per channel.
        contrast: Contrast of the picture, 1 is neutral.
        saturation: Saturation of the picture, 1 is neutral.
        haze: Opacity of a grey veil over the picture.
        blur: Standard deviation of the blur, in pixels of an image 128 high.
        noise: Standard deviation of the noise, in [0, 1].
        edges: Strength of sharpening after the blur, 0 for none.
        motion: (x, y) motion of the person during the exposure, in pixels of an image 128 high.
    """

    direction: tuple[float, float, float]
    sun: float
    sky: float
    warmth: float
    exposure: float
    cast: tuple[float, float, float]
    contrast: float
    saturation: float
    haze: float
    blur: float
    noise: float
    edges: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)

    def on(
        self, normal: np.ndarray, places: np.ndarray, shadow: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Compute the light, (N, 3), on points of people.

        Args:
            normal: (N, 3) unit length.
            places: (N, 3) in metres.
            shadow: (N,) share of the sun that is occluded.
        """
        sun = np.array(self.direction)
        # Sky from above and some light reflected by the ground; feet get less of it than the head.
        sky = self.sky * (0.66 + 0.34 * normal[:, 2]) * (0.8 + 0.12 * places[:, 2].clip(0, 1.7))
        # Some directional light even under clouds makes bodies look round.
        side = np.array([sun[0], sun[1], 0.35])
        side = side / np.linalg.norm(side)
        sky = sky * (0.85 + 0.3 * (normal @ side))
        lit = (normal @ sun).clip(0) * self.sun * 1.5 * (1 - shadow)
        return sky[:, None] + lit[:, None] * np.array([1 + self.warmth, 1.0, 1 - self.warmth])


Ground = Literal["paving", "bricks", "asphalt", "grass", "sand"]
Backdrop = Literal["wall", "bricks", "hedge", "fence", "windows", "dark", "open"]


@dataclass(frozen=True)
class Place:
    """The person's surroundings, generated procedurally without photos.

    Attributes:
        seed: Random seed of all textures and things.
        ground: Surface of the ground.
        ground_color: Its colour.
        backdrop: Structure behind the person.
        backdrop_color: Its colour.
        backdrop_distance: Distance behind the person, in metres.
        backdrop_height: Height, in metres.
        things: Number of bicycles, posts, cars and other things.
        turn: Rotation of the ground's pattern relative to the camera, in degrees.
        offset: (x, y) position of the person on the ground, in metres, which differs between
            pictures from one camera.
    """

    seed: int
    ground: Ground
    ground_color: Color
    backdrop: Backdrop
    backdrop_color: Color
    backdrop_distance: float
    backdrop_height: float
    things: int
    turn: float
    offset: tuple[float, float] = (0.0, 0.0)

    def seen(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Render the surroundings along rays from a camera.

        Args:
            origin: (3,) position of the camera.
            rays: (N, 3) directions.

        Returns:
            Albedo (N, 3), and distance in ray lengths (N,).
        """
        depth = np.full(len(rays), np.inf)
        color = np.tile(linear((0.74, 0.78, 0.82)), (len(rays), 1))  # sky
        far = _hit_wall(origin, rays, 45.0)
        trees = far[:, 2] < 9 + 5 * value_noise(far * [0.25, 0, 0], self.seed + 2, 2)
        leaves = value_noise(far * 0.9, self.seed + 4, 3)
        color[trees] = (linear((0.24, 0.27, 0.2)) * (0.4 + 1.2 * leaves[:, None]))[trees]

        falling = rays[:, 2] < -1e-3
        reach = np.where(falling, -origin[2] / np.where(falling, rays[:, 2], -1), np.inf)
        floor = falling & (reach < 60)
        color[floor] = self._floor(origin[:2] + reach[floor, None] * rays[floor, :2])
        depth[floor] = reach[floor]
        wall = _hit_wall(origin, rays, self.backdrop_distance)
        stands = (wall[:, 2] > 0) & (wall[:, 2] < self.backdrop_height) & (rays[:, 1] > 0)
        if self.backdrop != "open":
            solid, painted = self._wall(wall[stands])
            index = np.flatnonzero(stands)[solid]
            color[index] = painted[solid]
            depth[index] = (self.backdrop_distance - origin[1]) / rays[index, 1]
        self._stand_things(origin, rays, color, depth)
        return color, depth

    def _floor(self, places: np.ndarray) -> np.ndarray:
        angle = np.radians(self.turn)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        spots = (places + np.array(self.offset)) @ turn.T
        flat = np.concatenate([spots, np.zeros((len(spots), 1))], axis=1)
        stains = value_noise(flat * 0.8, self.seed, 3)
        grain = value_noise(flat * 22, self.seed + 1)
        value = 0.7 + 0.6 * (stains - 0.5) + 0.4 * (grain - 0.5)
        color = np.tile(linear(self.ground_color), (len(spots), 1))
        if self.ground in ("paving", "bricks"):
            size = np.array([0.6, 0.6]) if self.ground == "paving" else np.array([0.24, 0.12])
            cell = spots / size
            if self.ground == "bricks":
                cell[:, 0] += 0.5 * (np.floor(cell[:, 1]) % 2)
            tile = np.concatenate([np.floor(cell) + 0.5, np.zeros((len(cell), 1))], axis=1)
            value = value * (0.86 + 0.28 * value_noise(tile * 7.3, self.seed + 6))
            joint = np.minimum(cell % 1, 1 - cell % 1) * size
            value = value * np.where(joint.min(axis=1) < 0.012, 0.6, 1.0)
        if self.ground == "grass":
            blades = value_noise(flat * [30, 30, 1], self.seed + 7, 2)
            value = value * (0.55 + 0.9 * blades)
        color = color * value[:, None]
        # For some places, a kerb or a painted line along the pattern.
        edge = (self.seed % 7) * 0.6 + 0.8
        if self.seed % 3 == 0:
            color[np.abs(spots[:, 1] - edge) < 0.06] *= 1.45
            color[spots[:, 1] > edge] *= np.array([0.82, 0.84, 0.86])
        return color

    def _wall(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, z = points[:, 0] + self.offset[0], points[:, 2]
        spots = np.stack([x, 0 * x, z], axis=1)
        color = np.tile(linear(self.backdrop_color), (len(x), 1))
        stains = value_noise(spots * 0.7, self.seed + 11, 3)
        color *= (0.6 + 0.8 * stains)[:, None]
        solid = np.ones(len(x), dtype=bool)
        if self.backdrop == "bricks":
            row = np.floor(z / 0.1)
            u, v = (x / 0.3 + 0.5 * (row % 2)) % 1, (z / 0.1) % 1
            color *= np.where((u < 0.06) | (v < 0.14), 1.25, 1.0)[:, None]
            shade = value_noise(np.stack([np.floor(x / 0.3) * 3.1, 0 * x, row * 2.7], 1), self.seed)
            color *= (0.8 + 0.4 * shade)[:, None]
        elif self.backdrop == "hedge":
            leaves = value_noise(spots * 9, self.seed + 12, 3)
            color *= (0.2 + 1.6 * leaves**1.5)[:, None]
            solid = z < self.backdrop_height * (0.75 + 0.25 * value_noise(spots * 1.5, self.seed))
        elif self.backdrop == "fence":
            bar = ((x / 0.14) % 1 < 0.22) | (np.abs(z - 0.25) < 0.03) | (
                np.abs(z - self.backdrop_height + 0.1) < 0.03
            )  # fmt: skip
            solid = bar
        elif self.backdrop == "windows":
            u, v = (x / 1.6) % 1, (z / 1.9) % 1
            glass = (u > 0.1) & (u < 0.9) & (v > 0.16) & (v < 0.94)
            mirrored = value_noise(spots * [0.8, 0, 1.7], self.seed + 13, 3)
            panes = linear((0.2, 0.23, 0.26)) * (0.3 + 2.2 * mirrored[:, None] ** 2)
            color[glass] = panes[glass]
        elif self.backdrop == "dark":
            color *= (0.05 + 0.25 * (np.abs((x / 2.2) % 1 - 0.5) > 0.44))[:, None]
        if self.backdrop in ("wall", "bricks", "windows"):
            color[z < 0.18] *= 0.6
        return solid, color

    def _stand_things(
        self, origin: np.ndarray, rays: np.ndarray, color: np.ndarray, depth: np.ndarray
    ):
        random = np.random.default_rng([self.seed, 77])
        things = []
        for _ in range(self.things):
            distance = float(random.uniform(1.5, max(2.0, min(self.backdrop_distance - 0.3, 9))))
            spread = 0.9 + 0.12 * distance
            x = float(random.uniform(-1, 1)) * spread - 0.35 * self.offset[0]
            x = (x + 1.5 * spread) % (3 * spread) - 1.5 * spread
            things.append(sample_thing(random, _THINGS, x, distance))
        for thing in sorted(things, key=lambda thing: -thing.distance):
            reach = thing.paint(origin, rays, color)
            depth[:] = np.where(np.isfinite(reach), reach, depth)


def _hit_wall(origin: np.ndarray, rays: np.ndarray, distance: float) -> np.ndarray:
    # Intersection of rays with the vertical plane y = distance.
    reach = (distance - origin[1]) / np.maximum(rays[:, 1], 1e-6)
    return origin + reach[:, None] * rays


_THINGS: dict[Kind, float] = {"bicycle": 0.56, "post": 0.16, "car": 0.08, "bin": 0.14, "rail": 0.06}

_GROUNDS: dict[Ground, str] = {
    "paving": "8f8d88 a19c94 86837f 98908e 8d8688",
    "bricks": "8a7a74 938a88 7d7371 857c7c",
    "asphalt": "77787a 66686b 85858a 808086",
    "grass": "636e4e 6d7654",
    "sand": "a39a86",
}
_BACKDROPS: dict[Backdrop, str] = {
    "wall": "b3ada2 9c9a98 8d8578 c2bdb2 7d8588",
    "bricks": "8a5f50 9a7767 7d6a62",
    "hedge": "566548 4a583c 5f6a48",
    "fence": "3c3f42 6c6f70 5d4f45",
    "windows": "8f8f90 a59f96 6f7378",
    "dark": "6a655f 5d5a58",
    "open": "808080",
}


def _choose(random: np.random.Generator, palette: str) -> Color:
    code = bytes.fromhex(str(random.choice(palette.split())))
    red, green, blue = (np.array(list(code)) / 255 + random.normal(0, 0.008, 3)).clip(0.05, 0.95)
    return float(red), float(green), float(blue)


def sample_place(seed: int) -> Place:
    """Sample a place; equal seeds yield equal places."""
    random = np.random.default_rng([seed, 2])
    grounds, backdrops = list(_GROUNDS), list(_BACKDROPS)
    ground = grounds[random.choice(5, p=[0.36, 0.22, 0.3, 0.07, 0.05])]
    backdrop = backdrops[random.choice(7, p=[0.15, 0.1, 0.15, 0.12, 0.16, 0.14, 0.18])]
    return Place(
        seed=int(random.integers(1 << 30)),
        ground=ground,
        ground_color=_choose(random, _GROUNDS[ground]),
        backdrop=backdrop,
        backdrop_color=_choose(random, _BACKDROPS[backdrop]),
        backdrop_distance=float(random.uniform(2.0, 11.0)),
        backdrop_height=float(
            random.uniform(0.9, 2.4) if backdrop in ("hedge", "fence") else random.uniform(4, 9)
        ),
        things=int(random.integers(0, 13)),
        turn=float(random.uniform(-60, 60)),
    )


def sample_camera(random: np.random.Generator) -> Camera:
    """Sample a camera on a pole or a wall, and a crop with a detector's small margins."""
    distance = float(random.uniform(6, 16))
    return Camera(
        height=float(random.uniform(1.9, 2.4) + distance * random.uniform(0.0, 0.2)),
        distance=distance,
        margin=(float(random.uniform(-0.005, 0.06)), _sample_bottom(random)),
        shift=float(np.clip(random.normal(0, 0.05), -0.12, 0.12)),
        widen=float(random.uniform(1.0, 1.4)),
    )


def _sample_bottom(random: np.random.Generator) -> float:
    # Detectors sometimes cut off the feet.
    if random.random() < 0.1:
        return float(random.uniform(-0.14, 0.0))
    return float(random.uniform(0.0, 0.075))


def sample_light(random: np.random.Generator) -> Light:
    """Sample time of day, weather and image degradation by the camera."""
    azimuth, height = random.uniform(0, 2 * np.pi), np.radians(random.uniform(30, 72))
    flat = float(np.cos(height))
    sun = float(random.uniform(0.0, 0.25) if random.random() < 0.6 else random.uniform(0.45, 1.0))
    return Light(
        direction=(
            float(np.cos(azimuth)) * flat,
            float(np.sin(azimuth)) * flat,
            float(np.sin(height)),
        ),
        sun=sun,
        sky=float(1.15 - 0.55 * sun + random.uniform(-0.08, 0.08)),
        warmth=float(random.uniform(0, 0.16)),
        exposure=float(np.exp(random.normal(0, 0.16))),
        cast=cast(
            tuple[float, float, float],
            tuple((np.exp(random.normal(0, 0.03, 3)) * [1.025, 0.985, 1.0]).tolist()),
        ),
        contrast=float(random.uniform(1.2, 1.55)),
        saturation=float(random.uniform(0.46, 0.78)),
        haze=float(random.uniform(0.01, 0.06)),
        blur=float(np.exp(random.normal(-0.75, 0.35)).clip(0.2, 1.1)),
        noise=float(random.uniform(0.001, 0.006)),
        edges=float(random.uniform(0.0, 0.9)),
        motion=_sample_motion(random),
    )


def _sample_motion(random: np.random.Generator) -> tuple[float, float]:
    # Most pictures have no motion blur.
    if random.random() < 0.7:
        return 0.0, 0.0
    return float(random.normal(0, 1.2)), float(random.normal(0, 0.35))
