"""cut_box: crop a box of a photo at a network's input size, and map points back."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.detectors.person import Box
from deformgan.photo_file import MOST_PIXELS


@dataclass(frozen=True)
class Crop:
    """A cropped and resized part of a photo.

    Attributes:
        pixels: RGB.
        left: Left edge of the part in pixels of the photo.
        top: Top edge of the part in pixels of the photo.
        width: Width of the part in pixels of the photo.
        height: Height of the part in pixels of the photo.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    left: float
    top: float
    width: float
    height: float

    def in_photo(self, shares: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """Map points from the crop to pixels of the photo.

        Args:
            shares: (x, y) as fractions of the crop, from 0 at its left or top edge to 1 at its
                right or bottom edge. The centre of pixel i of n is (i + 0.5) / n.
        """
        extent = torch.tensor([self.width, self.height])
        return shares * extent + torch.tensor([self.left, self.top])


def whole(image: UInt8[np.ndarray, "height width 3"]) -> Box:
    """Return the box that covers a whole image."""
    height, width = image.shape[:2]
    return -0.5, -0.5, width - 0.5, height - 0.5


def cut_box(
    image: UInt8[np.ndarray, "height width 3"],
    box: Box | None,
    size: tuple[int, int],
    margin: float = 1.0,
    beyond: Literal["black", "edge"] = "black",
) -> Crop:
    """Crop the smallest region that contains a box and has the aspect ratio of `size`.

    Args:
        image: RGB.
        box: Left, top, right and bottom in pixels; it may extend beyond the image. By default the
            whole image.
        size: Height and width of the result in pixels.
        margin: Factor by which to enlarge the region around the box's centre.
        beyond: Fill outside the photo: "black", or the colour of the nearest "edge" pixel.
    """
    left, top, right, bottom = box or whole(image)
    aspect = size[1] / size[0]
    # At least one pixel, for a box around a single joint.
    height = max(bottom - top, (right - left) / aspect, 1.0) * margin
    width = height * aspect
    left, top = (left + right - width) / 2, (top + bottom - height) / 2
    # Crop whole pixels first, so that a small part of a large photo is cheap.
    first_x, first_y = int(np.floor(left + 0.5)), int(np.floor(top + 0.5))
    last_x, last_y = (int(np.ceil(edge + 0.5)) for edge in (left + width, top + height))
    too_large = ((last_x - first_x) * (last_y - first_y) / MOST_PIXELS) ** 0.5
    if too_large > 1:  # of a long, narrow photo, nearly all would be filled
        return _cut_reduced(image, box, size, margin, beyond, math.ceil(too_large))
    if beyond == "black":
        cut = Image.fromarray(image).crop((first_x, first_y, last_x, last_y))
    else:
        rows = np.arange(first_y, last_y).clip(0, image.shape[0] - 1)
        columns = np.arange(first_x, last_x).clip(0, image.shape[1] - 1)
        cut = Image.fromarray(image[rows[:, None], columns])
    x, y = left + 0.5 - first_x, top + 0.5 - first_y
    scaled = cut.resize(
        (size[1], size[0]), Image.Resampling.BILINEAR, box=(x, y, x + width, y + height)
    )
    return Crop(np.array(scaled), left, top, width, height)


def _cut_reduced(
    image: UInt8[np.ndarray, "height width 3"],
    box: Box | None,
    size: tuple[int, int],
    margin: float,
    beyond: Literal["black", "edge"],
    factor: int,
) -> Crop:
    """Crop a region of the image reduced by a factor; see `cut_box`."""
    reduced = np.array(Image.fromarray(image).reduce(factor))
    left, top, right, bottom = ((edge + 0.5) / factor - 0.5 for edge in box or whole(image))
    crop = cut_box(reduced, (left, top, right, bottom), size, margin, beyond)
    return Crop(
        crop.pixels,
        (crop.left + 0.5) * factor - 0.5,
        (crop.top + 0.5) * factor - 0.5,
        crop.width * factor,
        crop.height * factor,
    )
