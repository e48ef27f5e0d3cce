"""Jitter: copies as everybody makes them, turned, cut, mirrored and coloured a little otherwise."""

import math
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.reid.augmenter import as_generated, draw_uniform
from deformgan.reid.rivals.moving import move_photos
from deformgan.reid.training_photos import TrainingPhotos

TURN = math.radians(8)
SMALLEST = 0.85  # share of the photo's height and width that is shown
COLOUR = 0.2  # brightness, contrast and saturation are multiplied by 1 - COLOUR to 1 + COLOUR
GREY = (0.299, 0.587, 0.114)

_CHUNK = 1024


class Jitter:
    """Changes photos in ways that need no knowledge of people."""

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`."""
        turn = round(math.degrees(TURN), 3)
        return {"rival": "jitter", "turn": turn, "smallest": SMALLEST, "colour": COLOUR}

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`."""
        pictures = []
        for number in range(1, count + 1):
            drawn = draw_uniform(kept.names, number, seed, 8)
            transforms = jitter_transforms(
                drawn[:, :5], (kept.images.shape[2], kept.images.shape[3])
            )
            moved = move_photos(kept.images, transforms)
            pictures += [
                change_colours(images, factors)
                for images, factors in zip(
                    moved.split(_CHUNK),
                    (1 + COLOUR * (2 * drawn[:, 5:] - 1)).split(_CHUNK),
                    strict=True,
                )
            ]
        rows = torch.arange(len(kept)).repeat(count)
        numbers = [number for number in range(1, count + 1) for _ in range(len(kept))]
        return as_generated(kept, rows, numbers, torch.cat(pictures))


def jitter_transforms(
    drawn: Float[Tensor, "photos 5"], size: tuple[int, int]
) -> Float[Tensor, "photos 2 3"]:
    """Makes transforms in pixels, source from target.

    Args:
        drawn: In [0, 1): angle, scale, place across, place down, and whether to mirror.
        size: (height, width).
    """
    angle = TURN * (2 * drawn[:, 0] - 1)
    scale = SMALLEST + (1 - SMALLEST) * drawn[:, 1]
    mirror = torch.where(drawn[:, 4] < 0.5, -1.0, 1.0)
    extent = torch.tensor([size[1], size[0]])
    centre = (extent - 1) / 2
    # The window that is shown stays in the photo but for its turning.
    shift = (drawn[:, 2:4] - 0.5) * (1 - scale[:, None]) * extent
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    linear = torch.stack(
        [torch.stack([cosine * mirror, -sine], 1), torch.stack([sine * mirror, cosine], 1)], 1
    )
    offset = centre + shift - linear @ centre
    return torch.cat([linear, offset[..., None]], dim=2)


def change_colours(
    images: UInt8[Tensor, "photos 3 height width"], factors: Float[Tensor, "photos 3"]
) -> UInt8[Tensor, "photos 3 height width"]:
    """Changes brightness, contrast and saturation.

    Args:
        images: RGB.
        factors: Of brightness, contrast (around the mean grey) and saturation (around each grey).
    """
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(dim=1)
    weights = torch.tensor(GREY)[:, None, None]
    pixels = images.float() * brightness
    mean = (pixels * weights).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    pixels = mean + contrast * (pixels - mean)
    grey = (pixels * weights).sum(dim=1, keepdim=True)
    pixels = grey + saturation * (pixels - grey)
    return pixels.round().clamp(0, 255).to(torch.uint8)
