"""The photos that a command looks at: a folder of them, one, or the frames of a video.

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

from deformgan.cli.video import VIDEO_SUFFIXES, Video
from deformgan.errors import InputError
from deformgan.framing import PHOTO_SUFFIXES, read_photo

# Fewer photos than this are no film, however they are numbered.
MIN_SEQUENCE = 3


@dataclass(frozen=True)
class Photo:
    """A photo that has not been read yet.

    Attributes:
        name: The file's name, or that of the video's frame.
        stamp: Size and time of the file: with another stamp it is another photo.
        read: Gives the photo as RGB, or raises `InputError`.
    """

    name: str
    stamp: tuple[int, int]
    read: Callable[[], UInt8[np.ndarray, "height width 3"]]


class Photos:
    """Photos in order: those of a folder by their names (numbers count as numbers), or a video's.

    Args:
        path: A folder, a photo or a video.
    """

    def __init__(self, path: Path):
        self._video: Video | None = None
        self._files: list[Path] = []
        suffix = path.suffix.lower()
        if path.is_dir():
            files = (file for file in path.iterdir() if file.suffix.lower() in PHOTO_SUFFIXES)
            self._files = sorted((file for file in files if file.is_file()), key=natural_order)
            if not self._files:
                raise InputError(
                    f"The folder {path} holds no photos; their names end in "
                    f"{', '.join(PHOTO_SUFFIXES)}."
                )
        elif not path.exists():
            raise InputError(f"{path} does not exist; give a folder of photos, a photo or a video.")
        elif suffix in PHOTO_SUFFIXES:
            self._files = [path]
        elif suffix in VIDEO_SUFFIXES:
            self._video = Video(path)
        else:
            allowed = ", ".join(PHOTO_SUFFIXES + VIDEO_SUFFIXES)
            raise InputError(
                f"{path} is neither a folder nor a photo or video, whose names end in {allowed}."
            )

    @property
    def is_video(self) -> bool:
        """Whether the photos are the frames of a video."""
        return self._video is not None

    def __len__(self) -> int:
        """Counts the photos; of a damaged video it may count some that `__iter__` lacks."""
        return len(self._files) if self._video is None else len(self._video)

    def __iter__(self) -> Iterator[Photo]:
        for file in self._files:
            yield Photo(file.name, file_stamp(file), partial(read_photo, file))
        if self._video is not None:
            stamp = file_stamp(self._video.path)
            for frame in self._video:
                yield Photo(frame.name, stamp, frame.picture)

    @property
    def names(self) -> list[str]:
        """What the photos are called; of a video, what the first frame is."""
        if self._video is not None:
            return [f"{self._video.path.stem}_{0:06d}"]
        return [file.name for file in self._files]


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Gives a key that sorts frame 10 after frame 9."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def file_stamp(path: Path) -> tuple[int, int]:
    """Gives size in bytes and time of last change in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def frame_numbers(names: list[str]) -> list[int] | None:
    """Tells whether names number the frames of one sequence: `walk_007.png`, `walk_008.png`, ...

    They do if there are at least `MIN_SEQUENCE`, alike but for one number, which ascends. (Names of
    Market-1501, `0002_c1s1_000451_03.jpg`, differ in several numbers.)

    Returns:
        The numbers, or None if they are no sequence.
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
