"""Write pictures and animations.

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from deformgan.errors import InputError
from deformgan.files import written_beside
from deformgan.video import open_av

Picture = UInt8[np.ndarray, "_ _ channels"]  # RGB or RGBA

WITH_ALPHA = (".png", ".webp")

# H.264's scale runs from 0 (lossless) to 51; 18 is visually almost lossless.
VIDEO_QUALITY = 18
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
        fps: Frames per second; at most `most_fps`.
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
            duration=_delays(len(images), fps, 10 if path.suffix.lower() == ".gif" else 1),
            loop=0,
            **options,
        )


def most_fps(path: Path) -> float:
    """Return how many frames per second a format can show.

    Browsers show frames of a GIF for a tenth of a second if it states less than two hundredths.
    """
    return 50.0 if path.suffix.lower() == ".gif" else 240.0


def _delays(count: int, fps: float, unit: int) -> list[int]:
    """Return how long each frame is shown in milliseconds, in multiples of a unit.

    Every frame begins at the multiple that is nearest to its time, so that the animation keeps its
    speed.
    """
    begins = [unit * round(1000 * number / fps / unit) for number in range(count + 1)]
    return [after - before for before, after in pairwise(begins)]


def write_video(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """Write a video as H.264 in MP4, which every browser plays.

    The format requires even sizes: the last row or column of an odd size is repeated.

    Args:
        path: Ends in .mp4.
        pictures: Frames, all of one size, at least one.
        fps: Frames per second.
    """
    av = open_av()
    options = {"movflags": "faststart"}
    with written_beside(path) as unfinished, av.open(str(unfinished), "w", options=options) as film:
        stream = film.add_stream("libx264", Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(VIDEO_QUALITY)}
        for picture in pictures:
            height, width = picture.shape[:2]
            even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if not stream.codec_context.is_open:  # opened by the first picture
                stream.height, stream.width = even.shape[:2]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        film.mux(stream.encode())
