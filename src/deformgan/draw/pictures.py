"""Pillow pictures of tensors, enlarged."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.pixels import to_photo, to_photos


def to_picture(picture: Float[Tensor, "3 height width"]) -> Image.Image:
    """Convert values in [0, 1] to a picture."""
    return Image.fromarray(np.ascontiguousarray(to_photo(2 * picture - 1)))


def to_pictures(images: UInt8[Tensor, "batch 3 height width"], zoom: int = 1) -> list[Image.Image]:
    """Convert a batch of bytes to pictures, with every pixel a square of `zoom` pixels."""
    return [
        Image.fromarray(np.ascontiguousarray(photo.repeat(zoom, 0).repeat(zoom, 1)))
        for photo in to_photos(images)
    ]


def enlarge(
    picture: Float[Tensor, "3 height width"],
    zoom: int,
    how: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Convert values in [0, 1] to a picture, `zoom` times as large."""
    image = to_picture(picture)
    return image.resize((image.width * zoom, image.height * zoom), how)


def enlarge_to(picture: Float[Tensor, "3 height width"], rows: int) -> Image.Image:
    """Convert values in [0, 1] to a picture of about `rows` rows, by integer magnification."""
    return enlarge(picture, max(1, round(rows / picture.shape[1])))


def to_height(picture: Image.Image, height: int) -> Image.Image:
    """Resize a picture to a height, keeping its aspect ratio."""
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC)
