"""The input photos of a command: a folder, a single file, or the frames of a video.

This imports numpy, so commands import it inside their functions.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from deformgan.animated_picture import AnimatedPicture, is_animated
from deformgan.errors import InputError
from deformgan.photo_file import list_photos, looks_like_photo, read_photo
from deformgan.video import VIDEO_SUFFIXES, Video

# Fewer photos than this are not treated as a sequence, however they are numbered.
MIN_SEQUENCE = 3


@dataclass(frozen=True)
class Photo:
    """A photo that has not been read yet.

    Attributes:
        name: Name of the file, or of the video frame.
        stamp: Size and modification time of the file; if the stamp differs, so does the photo.
        read: Returns the photo as RGB, or raises `InputError`.
    """

    name: str
    stamp: tuple[int, int]
    read: Callable[[], UInt8[np.ndarray, "height width 3"]]


class Photos:
    """Photos of a folder sorted by name (numbers compare as numbers), one photo, or video frames.

    If a folder has no photos itself, those of its subfolders are read, which are named by their
    path: `ann/beach.jpg`.

    Args:
        path: A folder, a photo or a video; an animated WebP, PNG or AVIF file is a video.

    Attributes:
        others: Files of the folder that are no photos.
    """

    def __init__(self, path: Path):
        self._video: Video | AnimatedPicture | None = None
        self._files: list[Path] = []
        self._root = path.parent
        self.others: list[Path] = []
        suffix = path.suffix.lower()
        if path.is_dir():
            files, self.others = list_photos(path)
            if not files:  # a folder per person
                files, self.others = list_photos(path, deep=True)
            self._root = path
            self._files = sorted(files, key=natural_order)
            if not self._files:
                raise InputError(f"The folder {path} contains no photos.")
        elif not path.exists():
            raise InputError(f"{path} does not exist; use a folder of photos, a photo or a video.")
        elif suffix in VIDEO_SUFFIXES:
            self._video = Video(path)
        elif is_animated(path):
            self._video = AnimatedPicture(path)
        elif looks_like_photo(path):
            self._files = [path]
        else:
            raise InputError(
                f"{path} is neither a folder nor a photo or video; names of videos must end in "
                f"{', '.join(VIDEO_SUFFIXES)}."
            )

    @property
    def is_video(self) -> bool:
        """Whether the photos are the frames of a video."""
        return self._video is not None

    @property
    def fps(self) -> float | None:
        """Frames per second of a video."""
        return None if self._video is None else self._video.fps

    def __len__(self) -> int:
        """Return the number of photos; `__iter__` may yield fewer if a video is damaged."""
        return len(self._files) if self._video is None else len(self._video)

    def __iter__(self) -> Iterator[Photo]:
        for file in self._files:
            yield Photo(self._name(file), file_stamp(file), partial(read_photo, file))
        if self._video is not None:
            stamp = file_stamp(self._video.path)
            for frame in self._video:
                yield Photo(frame.name, stamp, frame.picture)

    @property
    def names(self) -> list[str]:
        """Names of the photos; of a video, only that of the first frame."""
        if self._video is not None:
            return [f"{self._video.path.stem}_{0:06d}"]
        return [self._name(file) for file in self._files]

    def _name(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts frame 10 after frame 9."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def file_stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and modification time in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def frame_numbers(names: list[str]) -> list[int] | None:
    """Return the numbers in file names if the names form a sequence.

    Example: `walk_007.png`, `walk_008.png`, ... Names form a sequence if there are at least
    `MIN_SEQUENCE` names that differ in a single, ascending number. (Names of Market-1501,
    `0002_c1s1_000451_03.jpg`, differ in several numbers.)

    Returns:
        The numbers, or None if the names do not form a sequence.
    """
    parts = [re.split(r"(\d+)", name) for name in names]
    if len(names) < MIN_SEQUENCE or len({len(split) for split in parts}) != 1:
        return None
    columns = zip(*parts, strict=True)
    varying = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) != 1 or varying[0] % 2 == 0:  # even places are the text between numbers
        return None
    numbers = [int(split[varying[0]]) for split in parts]
    ascending = all(first < second for first, second in pairwise(numbers))
    return numbers if ascending else None
