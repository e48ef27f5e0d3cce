"""read_upload: a photo from anybody, limited in bytes and pixels."""

import io

import numpy as np
from PIL import Image

from deformgan.errors import InputError
from deformgan.photo_file import PhotoError, open_picture, to_rgb
from deformgan.pixels import Photo
from deformgan.studio.protocol import MOST_BYTES

MOST_PIXELS = 50_000_000  # of a photo as a file
MOST_KEPT = 12_000_000  # larger photos are downscaled: four times the rows of the largest picture


def read_upload(content: bytes | memoryview) -> Photo:
    """Decode a photo, upright.

    Args:
        content: The file, whatever its name says.

    Raises:
        InputError: If it is no photo or too large; nothing is decoded before the size is known.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"The file is larger than {MOST_BYTES >> 20} MB.")
    try:
        with open_picture(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PhotoError(f"has more than {MOST_PIXELS // 10**6} million pixels")
            photo = to_rgb(image)
    except PhotoError as error:
        raise InputError(f"The photo {error}.") from None
    height, width = photo.shape[:2]
    shrink = (MOST_KEPT / (width * height)) ** 0.5
    if shrink >= 1:
        return photo
    size = (max(1, int(width * shrink)), max(1, int(height * shrink)))
    return np.array(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
