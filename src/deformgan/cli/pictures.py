"""Write pictures and animations.

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deformgan.cli.video import write_video
from deformgan.errors import InputError
from deformgan.files import written_beside

Picture = UInt8[np.ndarray, "_ _ channels"]  # RGB or RGBA

WITH_ALPHA = (".png", ".webp")

JPEG_QUALITY = 95
WEBP_QUALITY = 90


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


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture, in the format given by the file's suffix."""
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": JPEG_QUALITY},
        ".jpeg": {"quality": JPEG_QUALITY},
    }
    with written_beside(path) as unfinished:
        Image.fromarray(picture).save(unfinished, **options.get(path.suffix.lower(), {}))


def write_animation(path: Path, pictures: Sequence[Picture], fps: float) -> None:
    """Write an animation: as GIF or WebP, looping endlessly, or as a video.

    Args:
        path: Ends in .gif, .webp or .mp4.
        pictures: Frames, all of one size.
        fps: Frames per second; GIF rounds the frame time to hundredths of a second.
    """
    if path.suffix.lower() == ".mp4":
        write_video(path, pictures, fps)
        return
    images = [Image.fromarray(picture) for picture in pictures]
    options: dict[str, Any] = {"quality": WEBP_QUALITY}
    if path.suffix.lower() == ".gif":
        # One palette for all frames: with one per frame, colours would flicker.
        strip = Image.fromarray(np.concatenate(pictures, axis=1))
        palette = strip.quantize(256, Image.Quantize.MEDIANCUT)
        images = [image.quantize(palette=palette) for image in images]
        # Otherwise equal frames are merged, and the others are cropped to the area that changes.
        options = {"optimize": False, "disposal": 1}
    with written_beside(path) as unfinished:
        images[0].save(
            unfinished,
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / fps),
            loop=0,
            **options,
        )
