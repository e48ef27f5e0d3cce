"""paint: the colour of a dressed person's surface, computed procedurally.

All patterns are functions of the position on the person at rest, so they move with the cloth and
are the same in every picture. No image textures are used.
"""

from dataclasses import dataclass

import numpy as np

from deformgan.rendering.identity import Cloth, Identity
from deformgan.rendering.noise import value_noise
from deformgan.rendering.wardrobe import LAYERS, Dressed


@dataclass(frozen=True)
class Surface:
    """Positions of points on a person.

    Attributes:
        layer: (N,) index in `LAYERS`.
        rest: (N, 3) in metres, rest frame.
        along_arm, along_leg, arm: (N,) as in `Dressed`.
    """

    layer: np.ndarray
    rest: np.ndarray
    along_arm: np.ndarray
    along_leg: np.ndarray
    arm: np.ndarray

    def of(self, chosen: np.ndarray) -> "Surface":
        """Return the selected points."""
        return Surface(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def linear(color) -> np.ndarray:
    """Convert sRGB in [0, 1] to linear light (gamma 2.2)."""
    return np.asarray(color, dtype=np.float64) ** 2.2


def _mix(base: np.ndarray, color, share: np.ndarray) -> np.ndarray:
    return base + (linear(color) - base) * share.clip(0, 1)[:, None]


def _wave(position: np.ndarray, softness: float = 0.2) -> np.ndarray:
    # A soft square wave: 1 in one half of every period, 0 in the other.
    return (0.5 + np.sin(2 * np.pi * position) / (2 * softness)).clip(0, 1)


def _weave(cloth: Cloth, at: Surface, seed: int) -> np.ndarray:
    # On sleeves, stripes run around the arm, on the trunk around the trunk.
    height = np.where(at.arm > 0.5, -0.29 * at.along_arm, at.rest[:, 2])
    across = at.rest[:, 0] + 0.6 * at.rest[:, 1]
    color = np.tile(linear(cloth.color), (len(height), 1))
    match cloth.pattern:
        case "stripes":
            color = _mix(color, cloth.accent, _wave(height / (1.3 * cloth.scale)))
        case "pinstripes":
            color = _mix(color, cloth.accent, 0.5 * _wave(across / 0.03))
        case "checks":
            lines = 0.45 * _wave(height / cloth.scale) + 0.45 * _wave(across / cloth.scale)
            color = _mix(color, cloth.accent, lines)
        case "floral":
            spots = value_noise(at.rest / (0.5 * cloth.scale), seed)
            color = _mix(color, cloth.accent, (spots - 0.55) * 6)
        case "camouflage":
            blobs = value_noise(at.rest / (1.4 * cloth.scale), seed, 2)
            other = value_noise(at.rest / (1.2 * cloth.scale), seed + 9, 2)
            color = _mix(color, np.array(cloth.color) * 0.55, (blobs - 0.5) * 12)
            color = _mix(color, np.array(cloth.color) * 0.8 + 0.14, (other - 0.58) * 12)
        case "panel":  # sleeves and chest have another colour
            low = np.where(at.arm > 0.5, 0.0, (0.42 - height) * 40)
            color = _mix(color, cloth.accent, low)
    return color


def _ink(person: Identity, x: np.ndarray, below: np.ndarray) -> np.ndarray:
    # The printed area of the chest; `below` is the height relative to the neck, negative below it.
    match person.top.print:
        case "picture":
            u, v = x / 0.085, (below + 0.22) / 0.08
            blobs = value_noise(np.stack([u * 2.3, v * 2.3, 0 * u + 5], 1), person.seed + 3, 2)
            return (u**2 + v**2 < 1) & (blobs > 0.46)
        case "letters":
            # Upright strokes with gaps, in one or two lines, look like letters from afar.
            lines = 1 + person.seed % 2
            row = (-(below + 0.15)) / 0.055
            letter = np.floor(x / 0.026 + 50)
            places = np.stack([letter * 3.7, np.floor(row) * 5.1, 0 * x], 1)
            stroke = value_noise(np.stack([x / 0.009, below / 0.016, letter], 1), person.seed + 3)
            written = (stroke > 0.42) & (value_noise(places, person.seed + 7) > 0.12)
            inside = (np.abs(x) < 0.1) & (row > 0) & (row < lines) & (row % 1 < 0.72)
            return inside & written & ((x / 0.026) % 1 < 0.82)
        case "badge":
            return np.hypot(x - 0.075, below + 0.16) < 0.026
        case "band":
            return np.abs(below + 0.24) < 0.045
        case _:
            return np.zeros(len(x), dtype=bool)


def _paint_top(person: Identity, at: Surface, neck: np.ndarray) -> np.ndarray:
    top = person.top
    color = _weave(top.cloth, at, person.seed)
    x, y, z = at.rest.T
    trunk = at.arm < 0.5
    front = trunk & (y < neck[1] + 0.01)
    if top.opened > 0:
        gap = top.opened * (1 + 1.2 * (neck[2] - z))
        color = _mix(color, top.inner, (front & (np.abs(x) < gap)) * 1.0)
    if top.print is not None:
        color = _mix(color, top.inner, front & _ink(person, x, z - neck[2]))
    shoulder = np.abs(np.abs(x) - 0.105)
    if person.backpack is not None:
        strap = trunk & (shoulder < 0.021) & (z > neck[2] - 0.36) & (y < neck[1] + 0.09)
        color = _mix(color, person.backpack, strap * 1.0)
    if person.bag is not None:
        # From the left shoulder to the right hip, in front and behind.
        along = (z - (neck[2] - 0.02)) * 0.5 + 0.10
        color = _mix(color, person.bag, (trunk & (np.abs(x - along) < 0.017)) * 1.0)
    return color


def _paint_skin(dressed: Dressed, person: Identity, at: Surface) -> np.ndarray:
    body = dressed.body
    eye = body.head("eye.L")
    mouth = body.vertices[body.model.mouth].mean(axis=0)
    color = np.tile(linear(person.skin), (len(at.rest), 1))
    x, y, z = at.rest.T
    color *= (0.94 + 0.12 * value_noise(at.rest / 0.04, person.seed))[:, None]
    face = y < eye[1] + 0.03
    flush = np.exp(-(((np.abs(x) - 0.035) / 0.02) ** 2) - ((z - eye[2] + 0.035) / 0.02) ** 2)
    color = _mix(color, np.array(person.skin) * [1.0, 0.82, 0.8], 0.22 * face * flush)

    def spot(center_x: float, center_z: float, half_x: float, half_z: float) -> np.ndarray:
        distance = ((np.abs(x) - center_x) / half_x) ** 2 + ((z - center_z) / half_z) ** 2
        return face * np.exp(-(distance**2))

    lips = np.array(person.skin) * [0.82, 0.5, 0.5]
    color = _mix(color, lips, 0.6 * spot(0.0, mouth[2], 0.024, 0.009))
    color = _mix(color, (0.12, 0.09, 0.08), 0.7 * spot(eye[0], eye[2], 0.015, 0.008))
    color = _mix(color, person.hair.color, 0.75 * spot(eye[0], eye[2] + 0.02, 0.02, 0.006))
    if person.glasses:
        radius = np.hypot(np.abs(x) - eye[0], z - eye[2])
        color = _mix(color, (0.06, 0.06, 0.07), face * ((radius > 0.017) & (radius < 0.027)) * 0.9)
    return color


def paint(dressed: Dressed, person: Identity, at: Surface) -> np.ndarray:
    """Compute the colour of points on a person, (N, 3), as albedo in [0, 1]."""
    neck = dressed.body.head("neck01")
    color = np.zeros((len(at.layer), 3))
    plain = {"cap": person.hair.cap, "backpack": person.backpack, "bag": person.bag,
             "phone": (0.08, 0.08, 0.09), "luggage": person.luggage_color}  # fmt: skip
    for number, layer in enumerate(LAYERS):
        chosen = at.layer == number
        if not chosen.any():
            continue
        here = at.of(chosen)
        if layer == "skin":
            painted = _paint_skin(dressed, person, here)
        elif layer == "top":
            painted = _paint_top(person, here, neck)
        elif layer in ("bottom", "skirt"):
            painted = _weave(person.bottom.cloth, here, person.seed + 17)
            if layer == "bottom" and person.bottom.cloth.pattern == "plain":
                # Faded over the thighs, like jeans.
                worn = np.exp(-(((here.along_leg - 0.55) / 0.4) ** 2)) * (here.rest[:, 1] < 0)
                painted *= (1 + 0.25 * worn)[:, None]
        elif layer == "shoes":
            painted = np.tile(linear(person.shoe), (len(here.rest), 1))
            floor = dressed.vertices[:, 2].min()
            painted = _mix(painted, person.sole, (here.rest[:, 2] < floor + 0.022) * 1.0)
        elif layer == "hair":
            painted = np.tile(linear(person.hair.color), (len(here.rest), 1))
            strands = value_noise(here.rest * [110, 110, 14], person.seed + 31)
            painted *= (0.4 + 1.3 * strands)[:, None]
        else:
            painted = np.tile(linear(plain[layer]), (len(here.rest), 1))
            painted *= (0.8 + 0.4 * value_noise(here.rest / 0.06, person.seed + 5))[:, None]
        if layer in ("top", "bottom", "skirt"):
            # Folds are long along the limb and short across it.
            folds = value_noise(here.rest * [26, 26, 9], person.seed + 51, 2) - 0.5
            creases = value_noise(here.rest * [9, 9, 38], person.seed + 71) - 0.5
            painted *= (1 + 0.45 * folds + 0.28 * creases)[:, None]
        color[chosen] = painted
    return color.clip(0.002, 0.95)
