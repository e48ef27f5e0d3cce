"""Animated pictures: the frames of a WebP, PNG, AVIF or GIF file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deformgan.errors import InputError
from deformgan.photo_file import PhotoError, count_frames, load_frame, open_photo, to_rgb
from deformgan.pixels import Photo

_TIMED_FRAMES = 10  # whose delays are read, since they must be decoded for that
_USUAL_DELAY = 100.0  # milliseconds that browsers show a frame that states none


@dataclass(frozen=True)
class PictureFrame:
    """One frame of an animated picture.

    Attributes:
        name: Name of the file and number of the frame, from 0: `walk_000012`.
        photo: The frame as RGB.
    """

    name: str
    photo: Photo

    def picture(self) -> Photo:
        """Return the frame as RGB, like the frame of a video."""
        return self.photo


class AnimatedPicture:
    """The frames of an animated picture, in order.

    Args:
        path: The file, whatever its name.

    Attributes:
        fps: Frames per second; the mean of the first frames if their times differ.
    """

    def __init__(self, path: Path):
        self.path = path
        delays = []
        with open_photo(path) as image:
            self._length = count_frames(image)
            for number in range(min(self._length, _TIMED_FRAMES)):
                try:
                    load_frame(image, number)  # WebP and AVIF state the delay only then
                except PhotoError:
                    if not delays:
                        raise
                    break  # the frames before it can be shown
                delays.append(float(image.info.get("duration", 0)) or _USUAL_DELAY)
        self.fps = 1000 * len(delays) / sum(delays)

    def __len__(self) -> int:
        """Return the number of frames that the file states; a damaged one may yield fewer."""
        return self._length

    def __iter__(self) -> Iterator[PictureFrame]:
        number = 0
        try:
            with open_photo(self.path) as image:
                for number in range(self._length):
                    load_frame(image, number)
                    yield PictureFrame(f"{self.path.stem}_{number:06d}", to_rgb(image.copy()))
        except InputError:
            if not number:
                raise


def is_animated(path: Path) -> bool:
    """Return whether a file is a picture with more than one frame, by its content."""
    try:
        with open_photo(path) as image:
            # Further pages of a TIFF, and the second view of a stereo JPEG, are no frames.
            return image.format in ("WEBP", "PNG", "AVIF", "GIF") and (count_frames(image) > 1)
    except InputError:
        return False
