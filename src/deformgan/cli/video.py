"""Read videos frame by frame, and write them (needs the extra `video`).

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from deformgan.errors import InputError
from deformgan.files import written_beside

if TYPE_CHECKING:
    import av

Picture = UInt8[np.ndarray, "height width 3"]

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".gif",
)  # fmt: skip

# H.264's scale runs from 0 (lossless) to 51; 18 is visually almost lossless.
QUALITY = 18


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
        """Return the frame as RGB, rotated upright as recorded by the camera."""
        picture = self.coded.to_ndarray(format="rgb24")
        # The angle is counterclockwise, as in numpy.
        return np.ascontiguousarray(np.rot90(picture, round(self.coded.rotation / 90)))


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
        av = video_library()
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
        av = video_library()
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


def write_video(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """Write a video as H.264 in MP4, which every browser plays.

    The format requires even sizes: the last row or column of an odd size is repeated.

    Args:
        path: Ends in .mp4.
        pictures: Frames, all of one size, at least one.
        fps: Frames per second.
    """
    av = video_library()
    options = {"movflags": "faststart"}
    with written_beside(path) as unfinished, av.open(str(unfinished), "w", options=options) as film:
        stream = film.add_stream("libx264", Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(QUALITY)}
        for picture in pictures:
            height, width = picture.shape[:2]
            even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if not stream.codec_context.is_open:  # opened by the first picture
                stream.height, stream.width = even.shape[:2]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        film.mux(stream.encode())


def video_library() -> Any:
    """Return PyAV, or raise `InputError` with the extra that installs it."""
    try:
        import av
    except ImportError:
        raise InputError('Videos need the extra "video": pip install "deformgan[video]".') from None
    return av
