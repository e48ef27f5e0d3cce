"""Pictures and animations as files.

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deformgan.cli.outputs import written_beside
from deformgan.cli.video import write_video
from deformgan.errors import InputError

Picture = UInt8[np.ndarray, "_ _ channels"]  # RGB or RGBA

WITH_ALPHA = (".png", ".webp")

JPEG_QUALITY = 95
WEBP_QUALITY = 90


def check_suffix(path: Path, allowed: Sequence[str]) -> Path:
    """Checks, before any work is done, that a file's name says a format we write."""
    if path.suffix.lower() not in allowed:
        raise InputError(f"Cannot write {path}: its name must end in {', '.join(allowed)}.")
    return path


def check_alpha(path: Path, allowed: Sequence[str]) -> None:
    """Check, before any work is done, that a file can hold transparency."""
    able = [suffix for suffix in WITH_ALPHA if suffix in allowed]
    if path.suffix.lower() not in able:
        raise InputError(
            f"--background none is transparent, which {path} cannot hold: its name must end in "
            f"{' or '.join(able)}."
        )


def write_picture(path: Path, picture: Picture) -> None:
    """Writes a picture, in the format that the file's name says."""
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": JPEG_QUALITY},
        ".jpeg": {"quality": JPEG_QUALITY},
    }
    with written_beside(path) as unfinished:
        Image.fromarray(picture).save(unfinished, **options.get(path.suffix.lower(), {}))


def write_animation(path: Path, pictures: Sequence[Picture], fps: float) -> None:
    """Writes pictures that follow each other: as GIF or WebP, in an endless loop, or as a video.

    Args:
        path: Ends in .gif, .webp or .mp4.
        pictures: All of one size.
        fps: Frames per second; a GIF counts in hundredths of a second.
    """
    if path.suffix.lower() == ".mp4":
        write_video(path, pictures, fps)
        return
    images = [Image.fromarray(picture) for picture in pictures]
    options: dict[str, Any] = {"quality": WEBP_QUALITY}
    if path.suffix.lower() == ".gif":
        # One palette for all frames: with one for each, colours would flicker.
        strip = Image.fromarray(np.concatenate(pictures, axis=1))
        palette = strip.quantize(256, Image.Quantize.MEDIANCUT)
        images = [image.quantize(palette=palette) for image in images]
        # Without this, frames that look alike are merged and the rest are cropped to what changes.
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
