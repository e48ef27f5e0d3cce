"""load_images: decode every photo once, into memory or into a memory-mapped cache file.

The cache file stores a description of its contents (photos, framings, size), the pixels, and a
checksum per image. If the description or the checked checksums differ, the file is rebuilt.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from deformgan.errors import InputError, shortened
from deformgan.files import written_beside
from deformgan.framing import Framing
from deformgan.photo_file import read_photo

THREADS = min(8, os.cpu_count() or 1)  # Pillow releases the GIL while decoding
_CHUNK = 256  # images decoded at a time
_HEADER = 4096  # bytes, so that the pixels start on a page boundary
_CHECKED = 1 << 30  # bytes whose checksums are verified when a file is opened


def load_images(
    paths: Sequence[Path],
    size: tuple[int, int],
    framings: Sequence[Framing] | None = None,
    cache: Path | None = None,
) -> UInt8[Tensor, "images 3 height width"]:
    """Decode photos, RGB.

    Args:
        paths: The photos.
        size: (height, width) of the images.
        framings: Part of each photo to show; None if all photos have that size.
        cache: Folder for a file of decoded images, created if needed, which later calls map into
            memory instead of decoding. Changes to the tensor never reach the file.
    """
    if cache is None:
        images = np.empty((len(paths), 3, *size), dtype=np.uint8)
        for row, image in enumerate(_decoded(paths, size, framings)):
            images[row] = image
        return torch.from_numpy(images)
    question = _question(paths, size, framings)
    named = _hash("\n".join([str(size), *(path.name for path in paths)]))
    file = cache / f"{named[:16]}.images"
    images = _mapped(file, question)
    if images is None:
        _write(file, question, _decoded(paths, size, framings))
        images = _mapped(file, question)
    if images is None:
        raise InputError(f"{file} was changed while it was being written.")
    return torch.from_numpy(images)


def _decoded(
    paths: Sequence[Path], size: tuple[int, int], framings: Sequence[Framing] | None
) -> Iterator[UInt8[np.ndarray, "3 height width"]]:
    """Decode in several threads, a chunk at a time, and yield in order."""

    def decode(row: int) -> UInt8[np.ndarray, "3 height width"]:
        photo = read_photo(paths[row])
        if framings is not None:
            photo = framings[row].frame_photo(photo)
        if photo.shape[:2] != size:
            raise InputError(
                f"{paths[row]} is {photo.shape[0]}x{photo.shape[1]} pixels (height x width), but "
                f"earlier images are {size[0]}x{size[1]}; all must have one size unless a fit is "
                "chosen."
            )
        return photo.transpose(2, 0, 1)

    with ThreadPoolExecutor(THREADS) as threads:
        for first in range(0, len(paths), _CHUNK):
            yield from threads.map(decode, range(first, min(first + _CHUNK, len(paths))))


def _question(
    paths: Sequence[Path], size: tuple[int, int], framings: Sequence[Framing] | None
) -> dict[str, Any]:
    """Describe what the file must contain; photos are identified by name, size and mtime."""
    lines = []
    for row, path in enumerate(paths):
        try:
            stat = path.stat()
        except OSError:
            raise InputError(f"The image {path} does not exist.") from None
        framing = None if framings is None else framings[row]
        lines.append(f"{path.name} {stat.st_size} {stat.st_mtime_ns} {framing}")
    shape = [len(paths), 3, *size]
    return {"deformgan images": 1, "photos": _hash("\n".join(lines)), "shape": shape}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mapped(file: Path, question: dict[str, Any]) -> UInt8[np.ndarray, "..."] | None:
    """Map the file if it matches the description and is intact."""
    shape = tuple(question["shape"])
    num_bytes = int(np.prod(shape))
    try:
        with file.open("rb") as opened:
            header = json.loads(opened.read(_HEADER))
        if header != question or file.stat().st_size != _HEADER + num_bytes + 4 * shape[0]:
            return None
        sums = np.fromfile(file, dtype="<u4", offset=_HEADER + num_bytes)
    except (OSError, ValueError, RecursionError):
        return None
    # Copy on write: changes to the tensor never reach the file.
    images = np.memmap(file, dtype=np.uint8, mode="c", offset=_HEADER, shape=shape)
    every = -(-num_bytes // _CHECKED)
    if any(zlib.crc32(images[row]) != sums[row] for row in range(0, shape[0], every)):
        return None
    return images


def _write(
    file: Path, question: dict[str, Any], images: Iterator[UInt8[np.ndarray, "3 height width"]]
) -> None:
    """Write to a temporary file and rename it, so that the cache file is always complete."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(file) as unfinished, unfinished.open("wb") as opened:
            opened.write(json.dumps(question).encode().ljust(_HEADER))
            sums = []
            for image in images:
                pixels = image.tobytes()
                opened.write(pixels)
                sums.append(zlib.crc32(pixels))
            opened.write(np.array(sums, dtype="<u4").tobytes())
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise InputError(
            f"The decoded images cannot be cached in {file}: {shortened(error)}."
        ) from error
