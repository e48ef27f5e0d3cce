"""Video: the frames of a video file (needs the extra `video`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int32, UInt8

from deformgan.errors import InputError

if TYPE_CHECKING:
    import av

Picture = UInt8[np.ndarray, "height width 3"]

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".gif",
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
        name: Name of the video and number of the frame, from 0: `walk_000012`.
        coded: The frame as decoded. Only `picture` converts it, so that skipped frames cost no more
            than decoding.
    """

    name: str
    coded: "av.VideoFrame"

    def picture(self) -> Picture:
        """Return the frame as RGB, turned and mirrored as the file says."""
        picture = self.coded.to_ndarray(format="rgb24")
        matrix = self.coded.side_data.get("DISPLAYMATRIX")
        if matrix is not None:
            picture = turn(picture, np.frombuffer(bytes(matrix), np.int32))
        return np.ascontiguousarray(picture)


class Video:
    """The frames of a video file, in display order.

        for frame in Video(Path("walk.mp4")):
            print(frame.name, frame.picture().shape)

    Damaged parts of a file are skipped; a file without a single readable frame raises `InputError`.

    Args:
        path: The file; its name ends in one of `VIDEO_SUFFIXES`.

    Attributes:
        fps: Frames per second; the mean if the rate varies.
    """

    def __init__(self, path: Path):
        self.path = path
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(
                f"{path} is not a video: its name must end in {', '.join(VIDEO_SUFFIXES)}."
            )
        if not path.is_file():
            raise InputError(f"The video {path} does not exist.")
        with self._open() as container:
            stream = container.streams.video[0]
            self.fps = float(stream.average_rate or stream.guessed_rate or 25)
            # Counts packets: a hundred times faster than decoding. The header's count is often 0.
            self._length = sum(packet.size > 0 for packet in container.demux(stream))
        if not self._length:
            raise self._unreadable()

    def __len__(self) -> int:
        """Return the number of frames stated by the file; a damaged file may yield fewer."""
        return self._length

    def __iter__(self) -> Iterator[Frame]:
        av = open_av()
        number = 0
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    continue  # skip a damaged packet; later ones may be intact
                for frame in decoded:
                    yield Frame(f"{self.path.stem}_{number:06d}", frame)
                    number += 1
        if not number:
            raise self._unreadable()

    def _open(self) -> Any:
        av = open_av()
        try:
            container = av.open(str(self.path))
        except (av.FFmpegError, OSError):
            raise self._unreadable() from None
        if not container.streams.video:
            container.close()
            raise self._unreadable()
        return container

    def _unreadable(self) -> InputError:
        return InputError(f"{self.path} cannot be read as a video.")


def turn(picture: Picture, matrix: Int32[np.ndarray, "9"]) -> UInt8[np.ndarray, "rows columns 3"]:
    """Turn and mirror a picture by a display matrix, to the nearest multiple of 90 degrees.

    Args:
        picture: The picture as stored.
        matrix: The matrix of MP4's track header, row by row: column x and row y are shown at
            column `a x + c y` and row `b x + d y`. Front cameras write mirrored and transposed
            ones, which an angle alone cannot express.
    """
    a, b, _, c, d = (float(value) for value in matrix[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        picture = picture.transpose(1, 0, 2)
        down, across = b, c
    else:
        down, across = d, a
    return picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def open_av() -> Any:
    """Return PyAV, or raise `InputError` with the extra that installs it."""
    try:
        import av
    except ImportError:
        raise InputError('Videos need the extra "video": pip install "deformgan[video]".') from None
    return av
