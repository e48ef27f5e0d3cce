"""Write pictures.

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deformgan.errors import InputError
from deformgan.files import write_image
from deformgan.picture_metadata import PictureMetadata

Picture = UInt8[np.ndarray, "_ _ channels"]  # RGB or RGBA

WITH_ALPHA = (".png", ".webp")

JPEG_QUALITY = 95


def check_suffix(path: Path, allowed: Sequence[str]) -> Path:
    """Check that the suffix of an output file is a supported format, before the work starts."""
    if path.suffix.lower() not in allowed:
        raise InputError(f"Cannot write {path}: its name must end in {', '.join(allowed)}.")
    return path


def check_alpha(path: Path, allowed: Sequence[str]) -> None:
    """Check that an output file can store transparency, before the work starts."""
    able = [suffix for suffix in WITH_ALPHA if suffix in allowed]
    if path.suffix.lower() not in able:
        raise InputError(
            f"--background none is transparent, which {path} cannot store: its name must end in "
            f"{' or '.join(able)}."
        )


def write_picture(path: Path, picture: Picture, metadata: PictureMetadata | None = None) -> None:
    """Write a picture, in the format given by the file's suffix.

    Args:
        path: The file.
        picture: RGB or RGBA.
        metadata: What the file states about itself; nothing by default.
    """
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": JPEG_QUALITY},
        ".jpeg": {"quality": JPEG_QUALITY},
    }
    write_image(
        path,
        Image.fromarray(picture),
        **options.get(path.suffix.lower(), {}),
        **(metadata.save_options(path) if metadata else {}),
    )
