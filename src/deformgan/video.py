"""Video, LiveVideo: frames of a file, a pipe or a camera (needs the extra `video`)."""

import sys
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
        number = 0
        with self._open() as container:
            for number, coded in enumerate(_decode(container), start=1):
                yield Frame(f"{self.path.stem}_{number - 1:06d}", coded)
        if not number:
            raise self._unreadable()

    def _open(self) -> Any:
        return _open_container(str(self.path), self._unreadable())

    def _unreadable(self) -> InputError:
        return InputError(f"{self.path} cannot be read as a video.")


class LiveVideo:
    """The frames of a camera, or of a video that arrives through a pipe; they can be read once.

        for frame in LiveVideo("camera:0"):
            print(frame.name, frame.picture().shape)

    Args:
        name: "-" for standard input, in any container that needs no seeking (Matroska, MPEG-TS, MP4
            with its index first), or "camera:N".

    Attributes:
        fps: Frames per second, from the times of the frames read so far; None before the second.
    """

    def __init__(self, name: str):
        if not is_live(name):
            raise InputError(f"{name} is neither - (standard input) nor camera:NUMBER.")
        self.name = name
        self.fps: float | None = None

    def __iter__(self) -> Iterator[Frame]:
        label = "stdin" if self.name == "-" else self.name.replace(":", "")
        number, first, last = 0, None, None
        with self._open() as container:
            rate = container.streams.video[0].average_rate
            for number, coded in enumerate(_decode(container), start=1):
                yield Frame(f"{label}_{number - 1:06d}", coded)
                if coded.time is not None:
                    first, last = coded.time if first is None else first, coded.time
                if first is not None and last is not None and last > first:
                    self.fps = (number - 1) / (last - first)
                elif rate:
                    self.fps = float(rate)
        if not number:
            raise InputError(f"{self._said()} contains no frame.")

    def _open(self) -> Any:
        unreadable = InputError(f"{self._said()} cannot be read as a video.")
        if self.name == "-":
            return _open_container(sys.stdin.buffer, unreadable)
        device, format = _camera(int(self.name.partition(":")[2]))
        return _open_container(device, unreadable, format)

    def _said(self) -> str:
        return "Standard input" if self.name == "-" else self.name.replace(":", " ").capitalize()


def is_live(name: str) -> bool:
    """Return whether a name stands for standard input or a camera."""
    kind, _, number = name.partition(":")
    return name == "-" or (kind == "camera" and number.isdecimal())


def _camera(number: int) -> tuple[str, str]:
    """Return a camera's name in this operating system, and the input format that reads it."""
    if sys.platform == "darwin":
        return str(number), "avfoundation"
    if sys.platform == "win32":
        return str(number), "vfwcap"  # DirectShow knows cameras by their names only
    return f"/dev/video{number}", "v4l2"


def _open_container(source: Any, unreadable: InputError, format: str | None = None) -> Any:
    """Open a container that has a video stream.

    Args:
        source: Path, device or stream of bytes.
        unreadable: What to raise if there is none.
        format: Format of the container; by default recognized.
    """
    av = open_av()
    try:
        container = av.open(source, format=format)
    except (av.FFmpegError, OSError, ValueError):
        raise unreadable from None
    if not container.streams.video:
        container.close()
        raise unreadable
    return container


def _decode(container: Any) -> Iterator[Any]:
    """Decode the frames of a container's first video stream, skipping damaged packets."""
    av = open_av()
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            continue  # later packets may be intact
        yield from decoded


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
