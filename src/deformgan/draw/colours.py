"""Colours of figures, and maps from numbers to colours."""

import colorsys
import math

import torch
from jaxtyping import Float
from torch import Tensor

Colour = tuple[int, int, int]

PAPER, INK, FAINT = (255, 255, 255), (40, 40, 40), (120, 120, 120)
NIGHT = (28, 28, 34)  # background of bright drawings
CHECKS = ((236, 236, 236), (216, 216, 216))  # chequerboard for transparent pixels

# Dark to bright, as in common sequential colour maps.
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


def bone_colours(count: int) -> list[Colour]:
    """Return colours around the colour wheel, in its order."""
    wheel = [colorsys.hsv_to_rgb(place / count, 0.85, 1.0) for place in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]


def part_colours(count: int) -> list[Colour]:
    """Return distinct colours around the colour wheel, with neighbours far apart."""
    step = next(s for s in range(max(1, round(0.38 * count)), count + 2) if math.gcd(s, count) == 1)
    hues = [(place * step % count) / count for place in range(count)]
    wheel = [colorsys.hsv_to_rgb(hue, 0.75, 1.0) for hue in hues]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]


def heat_colours(values: Float[Tensor, "height width"]) -> Float[Tensor, "3 height width"]:
    """Map intensities in [0, 1] to colours from black over violet and orange to pale yellow."""
    stops = torch.tensor(HEAT) / 255
    place = values.clamp(0, 1) * (len(stops) - 1)
    low = place.floor().long().clamp(max=len(stops) - 2)
    colours = torch.lerp(stops[low], stops[low + 1], (place - low)[..., None])
    return colours.movedim(-1, 0)


def flow_colours(
    flow: Float[Tensor, "1 2 height width"], full: float
) -> Float[Tensor, "3 height width"]:
    """Convert offsets to colours: hue encodes the direction, saturation the length.

    Args:
        flow: Offsets (x, y).
        full: Length of full saturation; longer offsets are clipped.
    """
    x, y = flow[0]
    turn = torch.atan2(y, x) / (2 * math.pi)
    strength = (flow[0].square().sum(dim=0).sqrt() / full).clamp(max=1)
    # Hues from three cosines, a third of a turn apart.
    thirds = torch.arange(3, device=flow.device)[:, None, None] / 3
    colour = 0.5 + 0.5 * torch.cos(2 * math.pi * (turn - thirds))
    return 1 - strength * (1 - colour)


def checks(like: Tensor) -> Tensor:
    """Return a chequerboard for transparency, in [0, 1]."""
    square = max(1, like.shape[2] // 32)
    y, x = (torch.arange(length, device=like.device) // square for length in like.shape[2:])
    light, dark = (like.new_tensor(colour)[:, None, None] / 255 for colour in CHECKS)
    return torch.where(((x + y[:, None]) % 2 == 0), light, dark)[None]
