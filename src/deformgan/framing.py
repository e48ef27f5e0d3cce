"""Framing: the part of a photo that the model's image shows."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.errors import InputError
from deformgan.photo_file import MOST_PIXELS
from deformgan.pose import Pose, Skeleton

# How pedestrian photos are cropped, as shares of the image height or width: medians over the 5,602
# training images (64x128) of Market-1501 whose annotation has the torso, both ankles and at least
# one head joint. The highest joint is in row 10, the lowest in row 115, the middle of the joints in
# column 32; in 95 % of the images the joints span at most 61 columns.
HIGHEST_JOINT = 10.5 / 128
LOWEST_JOINT = 115.5 / 128
WIDEST_JOINTS = 61 / 64

# Assumed position of head and feet when they are not visible, in torso lengths above the shoulders
# and below the hips: medians over the 7,758 and 7,821 images of Market-1501 that show them.
HEAD_ABOVE_SHOULDERS = 0.39
FEET_BELOW_HIPS = 1.40

LEAST_OF_FRAME = 0.25  # that must remain of a person's frame where the photo ends

SHOULDERS, HIPS = ("right_shoulder", "left_shoulder"), ("right_hip", "left_hip")
_HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_ANKLES = ("right_ankle", "left_ankle")


@dataclass(frozen=True)
class Framing:
    """The part of a photo that the model's image shows.

    Attributes:
        left: Left edge of that part, in pixels of the photo; -0.5 is the photo's own left edge.
        top: Top edge of that part, in pixels of the photo.
        scale: Rows of the model's image per row of the photo.
        size: Height and width of the model's image in pixels.
        stretch: Column scale divided by row scale; 1 preserves the aspect ratio.
    """

    left: float
    top: float
    scale: float
    size: tuple[int, int]
    stretch: float = 1.0

    @staticmethod
    def padded(photo_size: tuple[int, int], size: tuple[int, int]) -> "Framing":
        """Fit the whole photo, centred, keeping its aspect ratio; edge pixels pad the rest."""
        scale = min(size[0] / photo_size[0], size[1] / photo_size[1])
        top, left = (
            length / 2 - 0.5 - shown / scale / 2
            for length, shown in zip(photo_size, size, strict=True)
        )
        return Framing(left, top, scale, size)

    @staticmethod
    def covering(photo_size: tuple[int, int], size: tuple[int, int]) -> "Framing":
        """Fill the image with the centre of the photo, keeping its aspect ratio."""
        scale = max(size[0] / photo_size[0], size[1] / photo_size[1])
        top, left = (
            length / 2 - 0.5 - shown / scale / 2
            for length, shown in zip(photo_size, size, strict=True)
        )
        return Framing(left, top, scale, size)

    @staticmethod
    def stretched(photo_size: tuple[int, int], size: tuple[int, int]) -> "Framing":
        """Fit exactly the whole photo, ignoring its aspect ratio."""
        scale_y, scale_x = (size[axis] / photo_size[axis] for axis in (0, 1))
        return Framing(-0.5, -0.5, scale_y, size, stretch=scale_x / scale_y)

    @property
    def scale_x(self) -> float:
        """Columns of the model's image per column of the photo."""
        return self.scale * self.stretch

    @property
    def shown(self) -> tuple[float, float]:
        """Height and width of the visible part, in pixels of the photo."""
        return self.size[0] / self.scale, self.size[1] / self.scale_x

    def at(self, size: tuple[int, int]) -> "Framing":
        """Return a framing of the same part at another image size."""
        height, width = self.shown
        scale_y, scale_x = size[0] / height, size[1] / width
        return Framing(self.left, self.top, scale_y, size, stretch=scale_x / scale_y)

    def widened(self, share: float) -> "Framing":
        """Return a framing extended on every side by a share of each side length."""
        height, width = self.shown
        size = tuple(round(length * (1 + 2 * share)) for length in self.size)
        return Framing(
            self.left - (size[1] / self.size[1] - 1) * width / 2,
            self.top - (size[0] / self.size[0] - 1) * height / 2,
            self.scale,
            (size[0], size[1]),
            self.stretch,
        )

    def within(self, photo_size: tuple[int, int]) -> "Framing | None":
        """Intersect a whole-pixel framing with the photo; None if they do not overlap."""
        first = [max(0, round(edge + 0.5)) for edge in (self.top, self.left)]
        last = [
            min(length, round(edge + 0.5) + shown)
            for length, edge, shown in zip(
                photo_size, (self.top, self.left), self.size, strict=True
            )
        ]
        size = (last[0] - first[0], last[1] - first[1])
        return Framing(first[1] - 0.5, first[0] - 0.5, 1.0, size) if min(size) > 0 else None

    def whole_pixels(self) -> "Framing":
        """Return the nearest framing that copies the photo's pixels without resampling."""
        height, width = (max(1, round(length)) for length in self.shown)
        left, top = (round(edge + 0.5) - 0.5 for edge in (self.left, self.top))
        return Framing(left, top, 1.0, (height, width))

    def inside(self, photo_size: tuple[int, int]) -> bool:
        """Return whether the framing lies entirely within the photo."""
        return (
            self.left >= -0.5
            and self.top >= -0.5
            and self.top + self.shown[0] <= photo_size[0] - 0.5
            and self.left + self.shown[1] <= photo_size[1] - 0.5
        )

    def then(self, inner: "Framing") -> "Framing":
        """Compose with a framing of the model's image into one framing of the photo."""
        return Framing(
            left=self.left + (inner.left + 0.5) / self.scale_x,
            top=self.top + (inner.top + 0.5) / self.scale,
            scale=self.scale * inner.scale,
            size=inner.size,
            stretch=self.stretch * inner.stretch,
        )

    def frame_pose(self, pose: Pose) -> Pose:
        """Map poses from the photo to the model's image."""
        corner = pose.joints.new_tensor([self.left, self.top])
        scale = pose.joints.new_tensor([self.scale_x, self.scale])
        return Pose((pose.joints - corner) * scale - 0.5, pose.visible)

    def frame_photo(
        self, photo: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "rows columns 3"]:
        """Crop and resize the photo to the model's image, replicating its edges where needed."""
        height, width = self.size[0] / self.scale, self.size[1] / self.scale_x
        # Crop whole pixels with a margin of two for the filter, then resample the exact box.
        first_x, first_y = (int(np.floor(edge)) - 2 for edge in (self.left, self.top))
        last_x, last_y = (int(np.ceil(edge)) + 3 for edge in (self.left + width, self.top + height))
        if (last_x - first_x) * (last_y - first_y) > MOST_PIXELS:
            raise InputError(
                f"The person is {last_x - first_x}x{last_y - first_y} pixels (width x height) "
                f"according to the pose, but the photo only {photo.shape[1]}x{photo.shape[0]}; the "
                "pose must be in pixels of the photo."
            )
        rows, above, below = _clip(first_y, last_y, photo.shape[0])
        columns, before, behind = _clip(first_x, last_x, photo.shape[1])
        cut = photo[rows, columns]
        if above or below or before or behind:
            cut = np.pad(cut, ((above, below), (before, behind), (0, 0)), mode="edge")
        cut = Image.fromarray(cut)
        x, y = self.left + 0.5 - first_x, self.top + 0.5 - first_y
        box = (x, y, x + width, y + height)
        # Pillow widens the filter when downscaling, so there is no aliasing.
        return np.array(cut.resize(self.size[::-1], Image.Resampling.BICUBIC, box=box))


def _clip(first: int, last: int, length: int) -> tuple[slice, int, int]:
    """Split a range into its slice within the axis and the padding before and after it."""
    low, high = (min(max(place, 0), length - 1) for place in (first, last - 1))
    start = min(max(0, -first), last - first - 1)
    return slice(low, high + 1), start, last - first - (high + 1 - low) - start


def find_framing(
    pose: Pose, photo_size: tuple[int, int] | None, size: tuple[int, int], skeleton: Skeleton
) -> Framing:
    """Choose the part of a photo to show: all of it if it has the model's size, else the person.

    Args:
        pose: One pose or the frames of an animation, in pixels of the photo, all with a torso.
        photo_size: Height and width. If None, the photo is assumed to have the model's size when
            the joints lie within that size (plus a tenth on each side) and span at least half its
            height, as in the published annotation tables.
        size: Height and width of the model's image.
        skeleton: Skeleton of the pose. For people, shoulders, hips, head and ankles determine the
            crop; for anything else, the bounding box of the visible joints.
    """
    if is_framed(pose, photo_size, size):
        return Framing(left=-0.5, top=-0.5, scale=1.0, size=size)
    return frame_person(pose, size, skeleton)


def frame_person(pose: Pose, size: tuple[int, int], skeleton: Skeleton) -> Framing:
    """Frame the person as in pedestrian photos, whatever the photo's size.

    Args:
        pose: As in `find_framing`.
        size: Height and width of the model's image.
        skeleton: Skeleton of the pose.
    """
    left, top, right, bottom = _body(pose, skeleton)
    height = (bottom - top) / (LOWEST_JOINT - HIGHEST_JOINT)
    aspect = size[1] / size[0]
    wide = (right - left) / WIDEST_JOINTS / aspect
    window = max(height, wide, 1.0)
    # If the width determines the window, keep the body centred vertically.
    first_row = top - HIGHEST_JOINT * height - (window - height) / 2
    return Framing(
        left=(left + right) / 2 - window * aspect / 2,
        top=first_row,
        scale=size[0] / window,
        size=size,
    )


def is_framed(pose: Pose, photo_size: tuple[int, int] | None, size: tuple[int, int]) -> bool:
    """Return whether `find_framing` shows the whole photo."""
    if photo_size is not None:
        return photo_size == size
    low, high = _extent(pose)
    edge = low.new_tensor([size[1], size[0]])
    inside = (low >= -0.1 * edge).all() and (high <= 1.1 * edge).all()
    return bool(inside and high[1] - low[1] >= size[0] / 2)


def rows_of_photo(
    pose: Pose, photo_size: tuple[int, int], framing: Framing, skeleton: Skeleton
) -> tuple[float, float]:
    """Return which rows of the framed image remain where the photo's edge cuts off head or feet.

    Args:
        pose: One pose or the frames of an animation, in pixels of the photo.
        photo_size: Height and width of the photo.
        framing: Framing of these poses.
        skeleton: Skeleton of the poses; only people are cut.

    Returns:
        First row and the row after the last, as fractions of the image height; (0, 1) for people
        whose head and feet are visible, even if the framing extends beyond the photo, and if little
        would remain.
    """
    first, last = 0.0, 1.0
    if not {*_HEAD, *_ANKLES} <= set(skeleton.joints):
        return first, last
    height, _ = framing.shown
    if not pose.visible[:, skeleton.indices(_HEAD)].any():
        first = max(first, (-0.5 - framing.top) / height)
    if not pose.visible[:, skeleton.indices(_ANKLES)].any():
        last = min(last, (photo_size[0] - 0.5 - framing.top) / height)
    return (first, last) if last - first >= LEAST_OF_FRAME else (0.0, 1.0)


def _extent(pose: Pose) -> tuple[Float[Tensor, "2"], Float[Tensor, "2"]]:
    seen = pose.joints[pose.visible]
    return seen.amin(dim=0), seen.amax(dim=0)


def _body(pose: Pose, skeleton: Skeleton) -> tuple[float, float, float, float]:
    """Return the joints' bounding box, extended to the estimated head and feet of a person."""
    low, high = _extent(pose)
    if not {*SHOULDERS, *HIPS, *_HEAD, *_ANKLES} <= set(skeleton.joints):
        return low[0].item(), low[1].item(), high[0].item(), high[1].item()

    def row(*names: str) -> Float[Tensor, "frames"]:
        return pose.joints[:, skeleton.indices(names), 1].mean(dim=1)

    def seen(*names: str) -> bool:
        return bool(pose.visible[:, skeleton.indices(names)].any(dim=1).all())

    shoulders = row(*SHOULDERS)
    hips = row(*HIPS)
    torso = (hips - shoulders).abs()
    top, bottom = low[1], high[1]
    if not seen(*_HEAD):
        top = torch.minimum(top, (shoulders - HEAD_ABOVE_SHOULDERS * torso).min())
    if not seen(*_ANKLES):
        bottom = torch.maximum(bottom, (hips + FEET_BELOW_HIPS * torso).max())
    return low[0].item(), top.item(), high[0].item(), bottom.item()
