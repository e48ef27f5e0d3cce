"""read_upload: a photo from anybody, limited in bytes and pixels and recognized by content."""

import io

import numpy as np
from PIL import Image, ImageOps

from deformgan.errors import InputError
from deformgan.pixels import Photo
from deformgan.studio.protocol import MOST_BYTES

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "AVIF")
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
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except Image.DecompressionBombError:
        raise InputError(
            f"The photo is too large; at most {MOST_PIXELS // 10**6} million pixels are allowed."
        ) from None
    except (OSError, SyntaxError, ValueError):
        raise InputError(
            "This is not a photo that can be read; use JPEG, PNG, WebP, BMP or AVIF."
        ) from None
    shrink = (MOST_KEPT / (upright.width * upright.height)) ** 0.5
    if shrink < 1:
        size = (max(1, int(upright.width * shrink)), max(1, int(upright.height * shrink)))
        upright = upright.resize(size, Image.Resampling.BICUBIC)
    return np.array(upright)
