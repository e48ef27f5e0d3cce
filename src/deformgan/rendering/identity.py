"""Identity: a person's appearance, the same in every picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Color = tuple[float, float, float]  # sRGB, each in [0, 1]
Style = Literal["short", "long", "ponytail", "bun"]
Pattern = Literal["plain", "stripes", "pinstripes", "checks", "floral", "camouflage", "panel"]
Print = Literal["picture", "letters", "badge", "band"]
Luggage = Literal["handbag", "plastic", "case"]


@dataclass(frozen=True)
class Cloth:
    """Material of a garment.

    Attributes:
        color: The main colour.
        accent: The colour of the pattern.
        pattern: Woven or printed pattern.
        scale: Size of the pattern, in metres.
    """

    color: Color
    accent: Color
    pattern: Pattern = "plain"
    scale: float = 0.05


@dataclass(frozen=True)
class Top:
    """A shirt, jacket or the upper half of a dress.

    Attributes:
        cloth: Its material.
        sleeve: End of the sleeves: 0 shoulder, 1 elbow, 2 wrist.
        hem: Extent below the hip joints, in metres.
        loose: Distance from the body at the hem, in metres.
        neckline: Depth of the neckline in front, in metres.
        print: Print on the chest, or None: a picture, letters, a small badge, a band.
        opened: Half width of the gap of an open jacket, in metres; 0 if it is closed.
        inner: Colour of the shirt under an open jacket, and of the print.
    """

    cloth: Cloth
    sleeve: float
    hem: float
    loose: float
    neckline: float
    print: Print | None
    opened: float
    inner: Color


@dataclass(frozen=True)
class Bottom:
    """Trousers, shorts or a skirt.

    Attributes:
        cloth: Its material.
        skirt: Whether it is a skirt.
        length: Its end: 0 hip, 1 knee, 2 ankle.
        loose: Distance from the leg at its end, in metres.
    """

    cloth: Cloth
    skirt: bool
    length: float
    loose: float


@dataclass(frozen=True)
class Hair:
    """Hair or hat.

    Attributes:
        color: Colour of the hair.
        volume: Distance from the skull, in metres.
        style: "long" hangs open, "ponytail" and "bun" are tied.
        length: Length of long hair or a ponytail below the eyes, in metres.
        cap: Colour of a cap, or None.
    """

    color: Color
    volume: float
    style: Style
    length: float
    cap: Color | None


@dataclass(frozen=True)
class Identity:
    """A person.

    Attributes:
        seed: Random seed for the fine texture of the clothes.
        build: Anny's phenotype.
        skin: Colour of the skin.
        hair: Hair or hat.
        top: Garment on the trunk.
        bottom: Garment on the legs.
        shoe: Colour of the shoes.
        sole: Colour of their soles.
        shoe_height: Height of the shoes above the ankle joints, in metres.
        backpack: Its colour, or None.
        bag: Colour of a bag with a strap across the chest, or None.
        luggage: Item carried in the right hand, or None.
        luggage_color: Its colour.
        glasses: Whether the person wears glasses.
    """

    seed: int
    build: dict[str, float]
    skin: Color
    hair: Hair
    top: Top
    bottom: Bottom
    shoe: Color
    sole: Color
    shoe_height: float
    backpack: Color | None
    bag: Color | None
    luggage: Luggage | None
    luggage_color: Color
    glasses: bool


def _rgb(code: str) -> Color:
    red, green, blue = bytes.fromhex(code)
    return red / 255, green / 255, blue / 255


# Everyday colours; frequent ones are listed several times.
_TOPS = """
1d1d20 232327 2e3035 1b2236 222b45 e4e4e0 e9e9e6 dcdcd6 d5d7d8 8e9094 6f7277 b3b4b5 f0efea
f0f0ee c9bda6 d9cdb7 5a5f45 7a2730 a23b3a 8a3f3f 3f5a7d 5b7da3 8fb0cc a9c3d8 2f5f63 4d7f72 c98d93
d9aeb0 b08e3c d0b24a 6a4f7c 58412f 7d6650 3d4a3f 9aa57f c2572f 2b6fb0 e7c6c0 f2f2f2 ececea 2a2c31
141416 f2f2f2 e8e8e6 1b1b1e 26262a 8a8c90 b9babb 3a3d44 d0d0cc 4a4c50 a4a6a8 c8202e d8402f e3c21e
5b2f9c d0488c e58aa8 2440b0 2f8f4e 45b5a8 e07a2a 8ec6e0 b8c94a 9a1f3a f0b8b8
"""
_BOTTOMS = """
1b1c20 202126 26282d 2c2d33 1c2130 232b40 2c3850 3a4966 505f7a 6f7f96 33363c 55585e 7d7f82 8b7f6a
a89a80 b9ab8f 5a5140 4a4d3a 3a2f28 d9d6cd e6e4de 24303f 3f4a62 17181a 1d1d20 2b2b2e 9a948a c4bfb4
"""
_SHOES = """
1a1a1c 222226 2b2522 4a3527 6b4a33 e6e6e4 dededb f0f0ee 8a8c90 2c3448 7c2f33 39424a 1f1f22 303034
d8d8d6 9a8f84
"""
_HAIRS = (
    "1c1918 211d1b 26211e 2a2420 33291f 45352a 3d3026 5a4430 211d1b 2a2420 6a4e36 8a6e4e 6a6866"
)
_SKINS = "f1cdb4 e8bd9f e0b08f d6a380 cc9a78 c38e6a b07c58 9a6a48 7e5338 5f3d29"
_PLASTIC = "e6e6e2 dfe3e6 d8d2c4 c83a36 d9c34a 7fa9c9"
_BAGS = "17181b 202227 2b2d33 27344f 5b3a29 7a5236 8c2f34 3f4b3c 6c6f74 b59a72"


def _pick(random: np.random.Generator, palette: str, spread: float = 0.012) -> Color:
    color = np.array(_rgb(str(random.choice(palette.split()))))
    # Brightness varies more than hue does.
    varied = color * np.exp(random.normal(0, 0.1)) + random.normal(0, spread, 3)
    red, green, blue = varied.clip(0.03, 0.96).tolist()
    return red, green, blue


def _not_paler(color: Color) -> Color:
    # Limits the palest skin, which would otherwise saturate in full sun.
    red, green, blue = (min(c, limit) for c, limit in zip(color, (0.9, 0.75, 0.66), strict=True))
    return red, green, blue


def _sample_cloth(
    random: np.random.Generator, palette: str, patterns: dict[Pattern, float]
) -> Cloth:
    names = list(patterns)
    pattern = names[random.choice(len(names), p=list(patterns.values()))]
    color = _pick(random, palette)
    accent = _pick(random, palette)
    if abs(np.mean(color) - np.mean(accent)) < 0.2:  # ensure that the pattern is visible
        accent = _rgb("e6e5e0") if np.mean(color) < 0.5 else _rgb("2a2d36")
    return Cloth(color, accent, pattern, float(random.uniform(0.03, 0.09)))


def _sample_top(random: np.random.Generator, woman: bool) -> Top:
    cloth = _sample_cloth(
        random,
        _TOPS,
        {
            "plain": 0.66,
            "stripes": 0.12,
            "pinstripes": 0.03,
            "checks": 0.07,
            "floral": 0.04,
            "camouflage": 0.02,
            "panel": 0.06,
        },
    )
    kind = random.choice(
        ["tee", "shirt", "sweater", "jacket", "vest"], p=[0.5, 0.14, 0.14, 0.17, 0.05]
    )
    sleeve = {
        "tee": random.uniform(0.5, 0.85),
        "shirt": random.choice([0.75, 1.9]),
        "sweater": random.uniform(1.8, 1.95),
        "jacket": random.uniform(1.85, 1.97),
        "vest": 0.08,
    }[kind]

    def opens() -> bool:
        return bool(kind == "jacket" and random.random() < 0.6)

    return Top(
        cloth=cloth,
        sleeve=float(sleeve),
        hem=float(random.uniform(0.0, 0.10) - (0.02 if woman else 0.0)),
        loose=float(random.uniform(0.004, 0.022) * (0.6 if woman else 1.0)),
        neckline=float(random.uniform(0.0, 0.02) + (random.uniform(0, 0.07) if woman else 0)),
        print=_sample_print(random) if kind == "tee" and cloth.pattern == "plain" else None,
        opened=float(random.uniform(0.025, 0.07)) if opens() else 0.0,
        inner=_pick(random, _TOPS),
    )  # fmt: skip


def _sample_print(random: np.random.Generator) -> Print | None:
    kinds: tuple[Print | None, ...] = (None, "picture", "letters", "badge", "band")
    return kinds[random.choice(5, p=[0.4, 0.2, 0.2, 0.14, 0.06])]


def _sample_bottom(random: np.random.Generator, woman: bool, top: Top) -> Bottom:
    cloth = _sample_cloth(
        random,
        _BOTTOMS,
        {"plain": 0.955, "checks": 0.02, "pinstripes": 0.0, "camouflage": 0.015, "floral": 0.01},
    )
    if woman and random.random() < 0.33:
        dress = random.random() < 0.45
        cloth = top.cloth if dress else Cloth(_pick(random, _TOPS), cloth.accent, cloth.pattern)
        return Bottom(cloth, True, float(random.uniform(0.5, 1.25)), 0.0)
    if random.random() < 0.3:
        return Bottom(cloth, False, float(random.uniform(0.45, 1.05)), random.uniform(0.012, 0.035))
    tight = woman and random.random() < 0.6
    loose = random.uniform(0.0, 0.006) if tight else random.uniform(0.012, 0.034)
    return Bottom(cloth, False, float(random.uniform(1.82, 2.0)), float(loose))


def _sample_hair(random: np.random.Generator, woman: bool) -> Hair:
    styles: tuple[Style, ...] = ("short", "long", "ponytail", "bun")
    style: Style = "short"
    if woman:
        style = styles[random.choice(4, p=[0.12, 0.5, 0.28, 0.1])]
    elif random.random() < 0.03:
        style = "ponytail"
    return Hair(
        color=_pick(random, _HAIRS, 0.008),
        volume=float(random.uniform(0.008, 0.026)),
        style=style,
        length=float(random.uniform(0.14, 0.42) if style == "long" else random.uniform(0.18, 0.36)),
        cap=_pick(random, _TOPS) if random.random() < 0.08 else None,
    )


def sample_identity(seed: int) -> Identity:
    """Sample a person; equal seeds yield equal people."""
    random = np.random.default_rng([seed, 1])
    woman = bool(random.random() < 0.47)

    def around(mean: float, deviation: float) -> float:
        return float(np.clip(random.normal(mean, deviation), 0.02, 0.98))

    build = {
        "gender": around(0.93, 0.04) if woman else around(0.06, 0.04),
        "age": float(np.clip(random.normal(0.69, 0.07), 0.56, 0.9)),
        "muscle": around(0.42 if woman else 0.48, 0.1),
        "weight": around(0.34 if woman else 0.4, 0.14),
        "height": around(0.36, 0.13),
        "proportions": around(0.6, 0.12),
        "cupsize": around(0.45, 0.12),
        "firmness": around(0.6, 0.1),
        "african": float(random.random()),
        "asian": float(random.random()),
        "caucasian": float(random.random()),
    }
    top = _sample_top(random, woman)
    bottom = _sample_bottom(random, woman, top)
    baggage = random.random()
    luggages: tuple[Luggage, ...] = ("handbag", "plastic", "case")
    luggage = None
    if random.random() < 0.2:
        likely = [0.55, 0.4, 0.05] if woman else [0.15, 0.5, 0.35]
        luggage = luggages[random.choice(3, p=likely)]
    flat = random.random() < (0.35 if woman else 0.08)
    return Identity(
        seed=seed,
        build=build,
        skin=_not_paler(_pick(random, _SKINS)),
        hair=_sample_hair(random, woman),
        top=top,
        bottom=bottom,
        shoe=_pick(random, _SHOES),
        sole=_rgb(str(random.choice(["e8e7e3", "2a2a2c", "b9a68a"]))),
        shoe_height=-0.02 if flat else float(random.choice([0.0, 0.02, 0.045], p=[0.5, 0.4, 0.1])),
        backpack=_pick(random, _BAGS) if baggage < 0.17 else None,
        bag=_pick(random, _BAGS) if baggage > 0.86 else None,
        luggage=luggage,
        luggage_color=_pick(random, _PLASTIC if luggage == "plastic" else _BAGS),
        glasses=bool(random.random() < 0.15),
    )
