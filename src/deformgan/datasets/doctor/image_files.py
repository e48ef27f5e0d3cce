"""look_at_images: decode every image completely; find odd sizes and duplicates."""

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.photo_file import (
    MOST_PIXELS,
    NoPhotoError,
    PhotoError,
    open_picture,
    orientation,
    to_rgb,
)

_MOST_BYTES = 4 * MOST_PIXELS


@dataclass(frozen=True)
class Decoded:
    """Summary of a decoded image.

    Attributes:
        size: (height, width) after rotation to upright.
        content: Hash of the file's bytes.
        pixels: Hash of size and pixels, RGB.
        turn: EXIF orientation.
    """

    size: tuple[int, int]
    content: bytes
    pixels: bytes
    turn: int = 1


def look_at_images(
    contents: Contents, progress: Callable[[Iterable[str]], Iterable[str]]
) -> tuple[dict[str, Decoded], list[Finding]]:
    """Decode every image of a data set.

    Args:
        contents: The data set.
        progress: Wraps the iteration over images, for example to show progress.

    Returns:
        Summaries of the decodable images, and findings for the others.
    """
    decoded, findings = {}, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about odd metadata
        for image in progress(list(contents.images)):
            result = decode(contents.root / image)
            if isinstance(result, Decoded):
                decoded[image] = result
            else:
                findings.append(Finding("unreadable-image", result, image))
    return decoded, findings


def decode(path: Path) -> Decoded | str:
    """Decode an image completely.

    Damage that leaves a JPEG decodable goes unnoticed, because the format has no checksum.

    Returns:
        A summary of the image, or the reason why it cannot be decoded.
    """
    try:
        length = path.stat().st_size
        if not length:
            return "the file is empty"
        if length > _MOST_BYTES:
            return f"the file is too large ({length:,} bytes)"
        data = path.read_bytes()
        image = open_picture(io.BytesIO(data))
        turn = orientation(image)
        photo = to_rgb(image)
    except NoPhotoError:
        return "not an image"
    except (PhotoError, OSError) as error:
        return _reason(error)
    size = (photo.shape[0], photo.shape[1])
    return Decoded(size, _hash(data), _hash(str(size).encode() + photo.tobytes()), turn)


def odd_sizes(decoded: dict[str, Decoded]) -> list[Finding]:
    """Find images whose size differs from that of the majority, if there is a majority."""
    sizes = Counter(image.size for image in decoded.values())
    if len(sizes) < 2:
        return []
    (usual, count), *_ = sizes.most_common(1)
    if 2 * count <= len(decoded):
        return []
    return [
        Finding("odd-size", f"{_text(image.size)}; {count:,} images are {_text(usual)}", name)
        for name, image in decoded.items()
        if image.size != usual
    ]


def equal_images(contents: Contents, decoded: dict[str, Decoded]) -> list[Finding]:
    """Find images that occur several times, as identical files or identical pixels."""
    findings = []
    by_pixels: dict[bytes, list[str]] = {}
    for name, image in decoded.items():
        by_pixels.setdefault(image.pixels, []).append(name)
    for names in by_pixels.values():
        first, *others = names
        for name in others:
            same = decoded[name].content == decoded[first].content
            people = {contents.identity(first), contents.identity(name)} - {None}
            kind = "equal-images" if len(people) < 2 else "two-people-one-image"
            findings.append(
                Finding(kind, f"the same {'file' if same else 'pixels'} as {first}", name)
            )
    return findings


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
