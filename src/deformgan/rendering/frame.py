"""Frame: which part of the camera's view a picture shows."""

from dataclasses import dataclass

import numpy as np

from deformgan.rendering.scene import Camera


@dataclass(frozen=True)
class Frame:
    """The crop of a picture: pixel = scale * tangent + offset.

    Attributes:
        scale: (2,) pixels per tangent.
        offset: (2,) pixel of tangent 0.
    """

    scale: np.ndarray
    offset: np.ndarray

    def pixels(self, tangents: np.ndarray) -> np.ndarray:
        """Convert tangents (N, 2) to pixels."""
        return tangents * self.scale + self.offset

    def tangents(self, pixels: np.ndarray) -> np.ndarray:
        """Convert pixels (N, 2) to tangents."""
        return (pixels - self.offset) / self.scale

    def times(self, factor: int) -> "Frame":
        """Return the same crop at a resolution multiplied by a factor."""
        # Pixel centres: x of the fine grid is factor * (x + 0.5) - 0.5.
        return Frame(self.scale * factor, (self.offset + 0.5) * factor - 0.5)


def fit_frame(camera: Camera, box: np.ndarray, size: tuple[int, int]) -> Frame:
    """Compute the crop: the body fills its height except for the margins, if the width permits.

    Args:
        camera: Defines the margins.
        box: (2, 2) low and high corner of the body in tangents.
        size: (height, width) in pixels.
    """
    height, width = size
    low, high = box
    top, bottom = camera.margin
    scale_y = height * (1 - top - bottom) / (high[1] - low[1])
    scale_x = scale_y * camera.widen
    if camera.whole:
        scale_x = min(scale_x, (width * 0.98) / (high[0] - low[0]))
        scale_y = min(scale_y, scale_x * 1.25)
    scale = np.array([scale_x, scale_y])
    middle = (low + high) / 2
    shift = camera.shift * width
    if camera.whole:
        room = (width - scale_x * (high[0] - low[0])) / 2
        shift = np.clip(shift, -room, room)
    center_y = height * (1 + top - bottom) / 2 - 0.5
    return Frame(scale, np.array([width / 2 - 0.5 + shift, center_y]) - scale * middle)
