"""Affine warping of photos, with border replication."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.affine import normalize

_CHUNK = 256  # photos at a time, to bound memory


def move_photos(
    images: UInt8[Tensor, "photos 3 height width"],
    source_from_target: Float[Tensor, "photos 2 3"],
) -> UInt8[Tensor, "photos 3 height width"]:
    """Warp photos with bilinear interpolation.

    Args:
        images: RGB.
        source_from_target: One transform per photo, in pixels.
    """
    size = (images.shape[2], images.shape[3])
    moved = torch.empty_like(images)
    for first in range(0, len(images), _CHUNK):
        part = slice(first, first + _CHUNK)
        theta = normalize(source_from_target[part, None], size)[:, 0]
        grid = F.affine_grid(theta, [len(theta), 3, *size], align_corners=False)
        pixels = F.grid_sample(
            images[part].float(), grid, padding_mode="border", align_corners=False
        )
        moved[part] = pixels.round().clamp(0, 255).to(torch.uint8)
    return moved
