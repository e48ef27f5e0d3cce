"""write_animation: frames as GIF, WebP or a video, in the time they are from.

This imports numpy, so commands import it inside their functions.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deformgan.cli.pictures import Picture
from deformgan.errors import InputError
from deformgan.files import write_image, written_beside
from deformgan.picture_metadata import PictureMetadata
from deformgan.video import open_av

# H.264's scale runs from 0 (lossless) to 51; 18 is visually almost lossless.
VIDEO_QUALITY = 18
WEBP_QUALITY = 90

MOST_FPS = 240.0
_TICKS = {".gif": 100, ".webp": 1000}  # per second, in which the formats store delays
_PALETTE_FRAMES = 64  # of a GIF, whose colours its palette is from

# What players expect in an MP4; sound of other kinds is converted to AAC.
_MP4_SOUND = ("aac", "mp3", "ac3", "alac", "opus")


def write_animation(
    path: Path,
    pictures: Iterable[Picture],
    fps: float,
    sound: Path | None = None,
    metadata: PictureMetadata | None = None,
) -> None:
    """Write an animation: as GIF or WebP, looping endlessly, or as a video.

    A video is written frame by frame; GIF and WebP are kept in memory until the end, as palette
    indices and compressed.

    Args:
        path: Ends in .gif, .webp or .mp4.
        pictures: Frames, all of one size, at least one.
        fps: Frames per second, at most `most_fps`. Delays of GIF are hundredths of a second: they
            are rounded so that no error adds up.
        sound: Video whose sound is copied, from its start; for .mp4 only.
        metadata: What the file states about itself; nothing by default.
    """
    suffix = path.suffix.lower()
    if suffix == ".mp4":
        write_video(path, pictures, fps, sound, metadata)
        return
    frames, ticks = iter(pictures), _TICKS[suffix]
    options: dict[str, Any] = {"save_all": True, "loop": 0}
    options |= metadata.save_options(path) if metadata else {}
    if suffix == ".gif":
        images = _with_one_palette(frames)
        # Otherwise equal frames are merged, and the others are cropped to the area that changes.
        options |= {"optimize": False, "disposal": 1}
    else:
        images = map(Image.fromarray, frames)
        options["quality"] = WEBP_QUALITY
    every = list(images)
    ends = [round((number + 1) * ticks / fps) for number in range(len(every))]
    delays = np.diff(ends, prepend=0) * (1000 // ticks)
    options |= {"append_images": every[1:], "duration": delays.tolist()}
    write_image(path, every[0], **options)


def _with_one_palette(pictures: Iterator[Picture]) -> Iterator[Image.Image]:
    """Quantize all frames alike: with a palette per frame, colours would flicker."""
    first = list(islice(pictures, _PALETTE_FRAMES))
    strip = Image.fromarray(np.concatenate(first, axis=1))
    palette = strip.quantize(256, Image.Quantize.MEDIANCUT)
    for picture in chain(first, pictures):
        yield Image.fromarray(picture).quantize(palette=palette)


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    fps: float,
    sound: Path | None = None,
    metadata: PictureMetadata | None = None,
) -> None:
    """Write a video as H.264 in MP4, which every browser plays.

    The format requires even sizes: the last row or column of an odd size is repeated.

    Args:
        path: Ends in .mp4.
        pictures: Frames, all of one size, at least one.
        fps: Frames per second.
        sound: Video whose sound is copied as far as the pictures last; nothing if it has none.
        metadata: What the file states about itself, as its comment; nothing by default.
    """
    av = open_av()
    options = {"movflags": "faststart"}
    with written_beside(path) as unfinished, av.open(str(unfinished), "w", options=options) as film:
        if metadata:
            film.metadata["comment"] = metadata.text
        rate = Fraction(fps).limit_denominator(1001)
        stream = film.add_stream("libx264", rate)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(VIDEO_QUALITY)}
        heard = _Sound(film, sound) if sound is not None else None
        for number, picture in enumerate(pictures, start=1):
            height, width = picture.shape[:2]
            even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if not stream.codec_context.is_open:  # opened by the first picture
                stream.height, stream.width = even.shape[:2]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            if heard is not None:
                heard.copy_until(float(number / rate))
        film.mux(stream.encode())
        if heard is not None:
            heard.close()


class _Sound:
    """Copies the sound of a video into another one, step by step.

    Args:
        film: The open output.
        path: The video with the sound.
    """

    def __init__(self, film: Any, path: Path):
        self._film = film
        self._packets: Iterator[tuple[float, Any]] = iter(())
        self._waiting: tuple[float, Any] | None = None
        av = open_av()
        try:
            self._source: Any = av.open(str(path))
        except (av.FFmpegError, OSError):
            self._source = None  # an animated picture, for example
            return
        streams = self._source.streams.audio
        if not streams:
            return
        heard = streams[0]
        if heard.codec_context.codec.canonical_name in _MP4_SOUND:
            out = film.add_stream_from_template(heard)
            self._packets = self._copied(heard, out)
        else:
            out = film.add_stream("aac", heard.codec_context.sample_rate)
            self._packets = self._converted(heard, out)

    def copy_until(self, seconds: float) -> None:
        """Write all packets that begin before a time."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = packet
            if packet[0] >= seconds:
                return
            self._film.mux(packet[1])
            self._waiting = None

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def _copied(self, heard: Any, out: Any) -> Iterator[tuple[float, Any]]:
        for packet in self._source.demux(heard):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            packet.stream = out
            yield seconds, packet

    def _converted(self, heard: Any, out: Any) -> Iterator[tuple[float, Any]]:
        av = open_av()
        for packet in self._source.demux(heard):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # a damaged packet is silent
            for frame in frames:
                for coded in out.encode(frame):
                    yield frame.time or 0.0, coded
        for coded in out.encode():
            yield float(coded.pts * coded.time_base), coded


def most_fps(path: Path) -> float:
    """Return how many frames per second a format can show, by its suffix.

    Browsers show frames of a GIF for a tenth of a second if it states less than two hundredths.
    """
    return 50.0 if path.suffix.lower() == ".gif" else MOST_FPS


def check_fps(fps: float) -> None:
    """Check the number of frames per second asked for.

    Raises:
        InputError: If no animation can have it.
    """
    if not 0 < fps <= MOST_FPS:
        raise InputError(f"--fps is {fps:g}; it must be greater than 0 and at most {MOST_FPS:g}.")
