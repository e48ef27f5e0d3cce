"""Photo files of users: recognized by content, limited in size, decoded to RGB bytes.

Every photo is opened here. Pillow alone would open all formats that it has heard of, of which some
are programs (PostScript), and would allocate what a header asks for.
"""

import io
import os
import re
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, cast

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps

from deformgan.errors import InputError
from deformgan.pixels import Photo

# Names that photos usually have; what a file is, is decided by its content.
PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif",
)  # fmt: skip
MOST_PIXELS = 100_000_000  # more than cameras have, little enough for memory
MOST_SIDE = 50_000  # of panoramas; what is longer is no photo of a person
BEHIND = (255, 255, 255)  # colour behind transparent photos

_MODULES = {  # of Pillow; in no other format is a file ever opened
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "AVIF": "AvifImagePlugin",
}
_TABLES = (".csv", ".json")
_ORIENTATION = 0x0112  # EXIF tag
_HEAD_BYTES = 32
_SIGNS = {  # of the first bytes
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # and the sizes of its headers
    "AVIF": rb".{4}ftyp(.{4})*(avif|avis)",
    "HEIC": rb".{4}ftyp(.{4})*(hei[cxms]|hevc|mif1|msf1)",
}


class PhotoError(Exception):
    """Why a file cannot be read as a photo, as the end of a sentence about it."""


class NoPhotoError(PhotoError):
    """The file contains something else."""


def read_photo(path: str | Path) -> Photo:
    """Read a photo as RGB, rotated upright according to its EXIF orientation.

    Grey photos of more than 8 bits are scaled, transparent ones composed over `BEHIND`; of an
    animation, the first frame is read.

    Args:
        path: A JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF file, whatever its name.

    Raises:
        InputError: If there is no such file, or it is no such photo.
    """
    with open_photo(path) as image:
        return to_rgb(image)


def decode_photo(content: bytes) -> Photo:
    """Decode a photo in memory, such as an upload; see `read_photo`.

    Raises:
        InputError: If it is no photo.
    """
    try:
        return to_rgb(open_picture(io.BytesIO(content)))
    except PhotoError as error:
        raise InputError(f"The photo {error}.") from None


def photo_size(path: str | Path) -> tuple[int, int]:
    """Read a photo's upright (height, width) from the file header."""
    with open_photo(path) as image:
        width, height = image.size
        return (width, height) if orientation(image) >= 5 else (height, width)


@contextmanager
def open_photo(path: str | Path) -> Generator[Image.Image]:
    """Open a photo without decoding it; its size is within the limits.

    Raises:
        InputError: If there is no such file, or it is no photo; also if decoding it fails inside
            the `with`.
    """
    try:
        with opened_photo(Path(path)) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"The image {path} does not exist.") from None
    except PhotoError as error:
        raise InputError(f"{path} {error}.") from None
    except OSError as error:
        # Pillow's own errors of this kind have no number.
        what = f"cannot be read: {error.strerror}" if error.errno else "cannot be read as an image"
        raise InputError(f"{path} {what}.") from None


@contextmanager
def opened_photo(path: Path) -> Generator[Image.Image]:
    """Open a photo without decoding it, like `open_photo`.

    Raises:
        PhotoError: If it is no photo.
        OSError: If there is no such file, or it cannot be read.
    """
    with _open_file(path) as file:
        yield open_picture(file)


def open_picture(file: io.BufferedIOBase) -> Image.Image:
    """Open a picture of one of the allowed formats without decoding it.

    Raises:
        PhotoError: If it is none, or has too many pixels.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise PhotoError("cannot be read as an image: the file is empty")
    found = _format(head)
    if found == "HEIC":
        raise PhotoError("is a HEIC photo, which cannot be read here; convert it to JPEG")
    if found is None:
        raise NoPhotoError(
            "cannot be read as an image: it is no JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF"
        )
    try:
        import_module(f"PIL.{_MODULES[found]}")
        # Not Image.open, which says of large pictures only how many pixels they have.
        image = Image.OPEN[found][0](cast(IO[bytes], file), "")
    except (ImportError, KeyError):
        raise PhotoError(f"is of the format {found}, which this Pillow cannot read") from None
    except Exception:  # on damaged files, from OSError to IndexError
        raise PhotoError("cannot be read as an image") from None
    _check_size(image)
    return image


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise PhotoError(
            f"has too many pixels, {width}x{height} (width x height); at most {MOST_PIXELS:,} and "
            f"{MOST_SIDE:,} to a side are allowed"
        )
    if min(width, height) < 1:
        raise PhotoError("cannot be read as an image: it has no pixels")


def count_frames(image: Image.Image) -> int:
    """Return the number of frames that a picture states, at least 1.

    Raises:
        PhotoError: If it is damaged.
    """
    try:
        return max(1, getattr(image, "n_frames", 1))
    except Exception:  # on damaged files, from SyntaxError to IndexError
        raise PhotoError("cannot be read as an image") from None


def load_frame(image: Image.Image, number: int) -> None:
    """Go to a frame of an animated picture and decode it.

    Args:
        image: From `open_photo`.
        number: From 0.

    Raises:
        PhotoError: If there is no such frame, or it is damaged.
    """
    try:
        image.seek(number)
        _check_size(image)  # a frame of a GIF can enlarge it
        image.load()
    except PhotoError:
        raise
    except MemoryError:
        raise PhotoError("needs more memory than there is") from None
    except Exception:  # on damaged files, from SyntaxError to IndexError
        raise PhotoError(f"cannot be read as an image from frame {number} on") from None


def to_rgb(image: Image.Image) -> Photo:
    """Decode a Pillow image to RGB bytes, rotated upright.

    Raises:
        PhotoError: If it is damaged.
    """
    try:
        image.load()
        if orientation(image) != 1:  # only then, because it copies
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            return np.repeat(scale_grey(np.asarray(image))[..., None], 3, axis=2)
        if image.has_transparency_data:
            shown = image.convert("RGBA")
            image = Image.new("RGBA", shown.size, (*BEHIND, 255))
            image.alpha_composite(shown)
        return np.array(image.convert("RGB"))
    except MemoryError:
        raise PhotoError("needs more memory than there is") from None
    except Exception:  # on damaged files, from OSError to IndexError
        raise PhotoError("cannot be read as an image") from None


def scale_grey(grey: Num[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Scale grey values of more than 8 bits to 0..255.

    White is the largest value of 1, 8, 12 or 16 bits that is not exceeded (1 for floats only); if
    there are larger or negative values, darkest and brightest become black and white.
    """
    values = np.nan_to_num(grey.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    whites = (1.0, 255.0, 4095.0, 65535.0)[0 if grey.dtype.kind == "f" else 1 :]
    fitting = [white for white in whites if high <= white]
    if low < 0 or not fitting:
        values, white = values - low, max(high - low, 1e-300)
    else:
        white = fitting[0]
    return (values * (255 / white)).round().clip(0, 255).astype(np.uint8)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 if it states none that is readable."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata
        return 1
    return found if found in range(1, 9) else 1


def is_photo(path: Path) -> bool:
    """Return whether a file contains a photo, by its content."""
    try:
        with _open_file(path) as file:
            return _format(file.read(_HEAD_BYTES)) is not None
    except (OSError, PhotoError):
        return False


def looks_like_photo(path: Path) -> bool:
    """Return whether a file is to be read as a photo: by its name or else by its content."""
    return path.suffix.lower() in PHOTO_SUFFIXES or is_photo(path)


def list_photos(folder: Path, *, deep: bool = False) -> tuple[list[Path], list[Path]]:
    """List the photos of a folder, and the other files, unsorted.

    Hidden files, such as the `._*` that macOS writes, are in neither list.

    Args:
        folder: The folder.
        deep: Whether to search its subfolders.

    Raises:
        InputError: If the folder cannot be listed.
    """
    photos, others = [], []
    try:
        for path in shown(folder.rglob("*") if deep else folder.iterdir(), folder):
            if not path.is_dir():
                (photos if looks_like_photo(path) else others).append(path)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be listed: {error.strerror}.") from None
    return photos, others


def shown(paths: Iterable[Path], folder: Path) -> Generator[Path]:
    """Leave out paths that are hidden below a folder."""
    for path in paths:
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def describe_others(others: list[Path]) -> str | None:
    """Return a line about files that are neither photos nor tables; None if there are none."""
    names = sorted(path.name for path in others if path.suffix.lower() not in _TABLES)
    if not names:
        return None
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    what = "1 other file is no photo" if len(names) == 1 else f"{len(names)} others are no photos"
    return f"{what}: {', '.join(names[:3])}{more}"


def _format(head: bytes) -> str | None:
    """Return the format of a file by its first bytes; also that of HEIC, which is not read."""
    return next((name for name, sign in _SIGNS.items() if re.match(sign, head, re.DOTALL)), None)


def _open_file(path: Path) -> io.BufferedIOBase:
    """Open a regular file; a FIFO would wait for its writer, and a device has no end."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    try:
        number = os.open(path, flags)
    except ValueError:  # a NUL in the name
        raise PhotoError("cannot be read: the name contains a NUL") from None
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise PhotoError(f"cannot be read as an image: it is {kind}")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise
