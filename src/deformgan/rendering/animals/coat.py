"""Coat: an animal's colours, as a function of position on its body at rest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from deformgan.rendering.identity import Color
from deformgan.rendering.materials import linear
from deformgan.rendering.noise import value_noise

Pattern = Literal["plain", "spots", "stripes", "patches", "saddle"]
PIECES = ("trunk", "neck", "head", "leg", "paw", "tail", "ear", "eye", "horn", "mane")

_COLORS: dict[str, Color] = {
    "white": (0.92, 0.9, 0.86),
    "cream": (0.86, 0.76, 0.6),
    "tan": (0.72, 0.55, 0.36),
    "ginger": (0.8, 0.45, 0.17),
    "brown": (0.45, 0.29, 0.17),
    "umber": (0.26, 0.17, 0.11),
    "grey": (0.58, 0.57, 0.56),
    "slate": (0.32, 0.33, 0.36),
    "black": (0.1, 0.09, 0.09),
}
_LIGHT = ("white", "cream", "tan", "ginger", "grey")
_DARK = ("ginger", "brown", "umber", "slate", "black")


@dataclass(frozen=True)
class Coat:
    """Appearance of an individual, the same in every picture.

    Attributes:
        seed: Random seed for the placement of markings.
        pattern: Pattern formed by the two main colours.
        base: Main colour.
        mark: Colour of the markings.
        scale: Markings per metre.
        amount: Share of the coat they cover, from 0 to 1.
        belly: Colour of the underside.
        belly_to: Height up to which it extends, in metres.
        sock: Colour of the feet.
        sock_to: Height up to which it extends, in metres; 0 for none.
        face: Colour of the muzzle.
        blaze: Whether a white blaze runs down the face.
        tail_tip: Colour of the tail's last third.
        hair: Colour of the mane and the backs of the ears.
        paw: Colour of paws or hooves.
    """

    seed: int
    pattern: Pattern
    base: Color
    mark: Color
    scale: float
    amount: float
    belly: Color
    belly_to: float
    sock: Color
    sock_to: float
    face: Color
    blaze: bool
    tail_tip: Color
    hair: Color
    paw: Color


def sample_coat(random: np.random.Generator) -> Coat:
    """Sample a coat: light with dark markings or the other way round."""

    def color(names: tuple[str, ...]) -> Color:
        shade = np.array(_COLORS[names[random.integers(len(names))]])
        red, green, blue = (shade * np.exp(random.normal(0, 0.12))).clip(0.05, 0.95).tolist()
        return red, green, blue

    light, dark = color(_LIGHT), color(_DARK)
    base, mark = (light, dark) if random.random() < 0.6 else (dark, light)
    patterns: tuple[Pattern, ...] = ("plain", "spots", "stripes", "patches", "saddle")
    pattern = patterns[random.choice(5, p=[0.1, 0.26, 0.22, 0.28, 0.14])]
    socks = random.random() < 0.5
    return Coat(
        seed=int(random.integers(1 << 30)),
        pattern=pattern,
        base=base,
        mark=mark,
        scale={"spots": 7.0, "stripes": 5.0, "patches": 2.6}.get(pattern, 3.0)
        * float(np.exp(random.normal(0, 0.25))),
        amount=float(random.uniform(0.3, 0.55)),
        belly=color(_LIGHT) if random.random() < 0.5 else base,
        belly_to=float(random.uniform(0.45, 0.62)),
        sock=color(("white", "cream", "black", "umber")),
        sock_to=float(random.uniform(0.15, 0.5)) if socks else 0.0,
        face=color(("white", "black", "umber", "cream")) if random.random() < 0.5 else base,
        blaze=bool(random.random() < 0.3),
        tail_tip=mark if random.random() < 0.5 else base,
        hair=mark if random.random() < 0.6 else dark,
        paw=color(("black", "umber", "cream")),
    )


def paint(
    coat: Coat, piece: np.ndarray, rest: np.ndarray, along: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Compute the albedo of points on an animal, (N, 3).

    Args:
        coat: The animal's coat.
        piece: (N,) index in `PIECES` of each point.
        rest: (N, 3) position on the animal at rest, in metres: forward, left, up.
        along: (N,) position along the piece, from 0 at its root to 1 at its end.
        across: (N,) upward component of the surface normal, from -1 to 1.
    """
    color = np.repeat(np.array(coat.base)[None], len(piece), axis=0)

    def on(*names: str) -> np.ndarray:
        return np.isin(piece, [PIECES.index(name) for name in names])

    def put(share: np.ndarray, paint: Color) -> None:
        color[:] += share[:, None] * (np.array(paint) - color)

    put(_soft(_markings(coat, piece, rest)), coat.mark)
    put(on("trunk", "leg") * _soft((coat.belly_to - rest[:, 2]) * 8) * (across < 0.2), coat.belly)
    if coat.sock_to > 0:
        put(on("leg") * _soft((coat.sock_to - rest[:, 2]) * 25), coat.sock)
    put(on("head") * _soft((along - 0.72) * 20), coat.face)
    if coat.blaze:
        narrow = np.abs(rest[:, 1]) < 0.03
        put(on("head") * narrow * (across > 0.2), _COLORS["white"])
    put(on("tail") * _soft((along - 0.66) * 12), coat.tail_tip)
    put(on("mane") * 1.0, coat.hair)
    put(on("ear") * (0.6 * (across < 0)), coat.hair)
    put(on("paw") * 1.0, coat.paw)
    put(on("eye") * 1.0, (0.04, 0.03, 0.03))
    put(on("horn") * 1.0, (0.62, 0.55, 0.44))
    # Fine variation of the hair.
    fine = value_noise(rest * 45, coat.seed + 1) - 0.5
    return linear((color * (1 + 0.22 * fine[:, None])).clip(0.02, 1))


def _soft(value: np.ndarray) -> np.ndarray:
    return (value + 0.5).clip(0, 1)


def _markings(coat: Coat, piece: np.ndarray, rest: np.ndarray) -> np.ndarray:
    # Positive inside markings, in units of a soft edge.
    if coat.pattern == "plain":
        return np.full(len(rest), -1.0)
    if coat.pattern == "saddle":
        return (rest[:, 2] - 1.0 + 0.45 * coat.amount) * 14
    wander = value_noise(rest * 3, coat.seed + 2) - 0.5
    if coat.pattern == "stripes":
        # Stripes run around the trunk and around the legs.
        leg = np.isin(piece, [PIECES.index("leg"), PIECES.index("paw")])
        place = np.where(leg, rest[:, 2], rest[:, 0] + 0.35 * rest[:, 2])
        return (np.sin(2 * np.pi * coat.scale * (place + 0.12 * wander)) - 0.5 + coat.amount) * 3
    octaves = 1 if coat.pattern == "spots" else 2
    blobs = value_noise(rest * coat.scale, coat.seed, octaves)
    # The noise is about 0.5 on average: this leaves `amount` of the coat above the threshold.
    return (blobs - 0.75 + 0.5 * coat.amount) * 14
