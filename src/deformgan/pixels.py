"""Pixels: images in [-1, 1], photos of bytes, and the way from one to the other.

Networks see images, float32 RGB `(batch, 3, height, width)` in [-1, 1]. Files, data sets and users
have bytes. All conversions are here.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Photo = UInt8[np.ndarray, "_ _ 3"]


def to_float(
    images: UInt8[Tensor, "batch 3 height width"],
) -> Float[Tensor, "batch 3 height width"]:
    """Convert 0..255 to [-1, 1]."""
    return images.float() / 127.5 - 1


def to_bytes(
    images: Float[Tensor, "batch 3 height width"],
) -> UInt8[Tensor, "batch 3 height width"]:
    """Convert [-1, 1] to the nearest of 0..255."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_image(photo: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "1 3 height width"]:
    """Convert a photo to a batch of one image."""
    return to_float(torch.from_numpy(photo).permute(2, 0, 1)[None])


def to_photo(image: Float[Tensor, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Convert an image to a photo."""
    return to_photos(to_bytes(image[None]))[0]


def to_photos(
    pictures: UInt8[Tensor, "batch channels height width"],
) -> list[UInt8[np.ndarray, "height width channels"]]:
    """Move a batch of bytes to arrays, channels last."""
    return [picture.permute(1, 2, 0).cpu().numpy() for picture in pictures]
