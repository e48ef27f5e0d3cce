"""Jitter: standard augmentation by random rotation, crop, mirroring and colour jitter."""

import math
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.reid.augmenter import as_generated, draw_uniform
from deformgan.reid.simple_augmenters.moving import move_photos
from deformgan.reid.training_photos import TrainingPhotos

TURN = math.radians(8)
SMALLEST = 0.85  # minimum crop size, as a fraction of height and width
COLOUR = 0.2  # brightness, contrast and saturation factors are in [1 - COLOUR, 1 + COLOUR]
GREY = (0.299, 0.587, 0.114)

_CHUNK = 1024


class Jitter:
    """Augmenter that needs no knowledge of people."""

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`."""
        turn = round(math.degrees(TURN), 3)
        return {"simple": "jitter", "turn": turn, "smallest": SMALLEST, "colour": COLOUR}

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
    """Return random transforms in pixels, source from target.

    Args:
        drawn: Uniform numbers in [0, 1): angle, scale, horizontal position, vertical position, and
            mirroring.
        size: (height, width).
    """
    angle = TURN * (2 * drawn[:, 0] - 1)
    scale = SMALLEST + (1 - SMALLEST) * drawn[:, 1]
    mirror = torch.where(drawn[:, 4] < 0.5, -1.0, 1.0)
    extent = torch.tensor([size[1], size[0]])
    centre = (extent - 1) / 2
    # Apart from its rotation, the crop window stays inside the photo.
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
    """Adjust brightness, contrast and saturation.

    Args:
        images: RGB.
        factors: Brightness, contrast (relative to the mean grey) and saturation (relative to each
            pixel's grey).
    """
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(dim=1)
    weights = torch.tensor(GREY)[:, None, None]
    pixels = images.float() * brightness
    mean = (pixels * weights).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    pixels = mean + contrast * (pixels - mean)
    grey = (pixels * weights).sum(dim=1, keepdim=True)
    pixels = grey + saturation * (pixels - grey)
    return pixels.round().clamp(0, 255).to(torch.uint8)
