"""PoseTransfer: checkpoint + photo + pose -> picture; the only uint8 border."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import to_bytes, to_float
from deformgan.errors import InputError
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pose import Pose, Skeleton

# How photos of pedestrians are cut, as shares of the picture's height or width: medians over the
# 5,602 images (64x128, identities to train on) of Market-1501 in whose annotation the torso, both
# ankles and some joint of the head are seen. The highest joint is in row 10, the lowest in row
# 115, the middle of the joints in column 32; in 95 % their width is at most 61 columns.
HIGHEST_JOINT = 10.5 / 128
LOWEST_JOINT = 115.5 / 128
WIDEST_JOINTS = 61 / 64

# Where head and feet are if they are not seen, in torso lengths above the shoulders and below the
# hips: medians over the 7,758 and 7,821 images of Market-1501 in which they are.
HEAD_ABOVE_SHOULDERS = 0.39
FEET_BELOW_HIPS = 1.40


@dataclass(frozen=True)
class Framing:
    """The part of a photo that the model's image shows.

    Attributes:
        left: Left edge of that part, in pixels of the photo (-0.5 is the photo's own left edge).
        top: Its top edge.
        scale: Pixels of the model's image per pixel of the photo.
        size: Height and width of the model's image in pixels.
    """

    left: float
    top: float
    scale: float
    size: tuple[int, int]

    def frame_pose(self, pose: Pose) -> Pose:
        """Maps poses from the photo to the model's image."""
        corner = pose.joints.new_tensor([self.left, self.top])
        return Pose((pose.joints - corner) * self.scale - 0.5, pose.visible)

    def frame_photo(
        self, photo: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "rows columns 3"]:
        """Cuts the model's image out of the photo; the photo's border goes on beyond its edges."""
        height, width = (length / self.scale for length in self.size)
        # Whole pixels first, with two to spare for the filter, then the exact box.
        first_x, first_y = (int(np.floor(edge)) - 2 for edge in (self.left, self.top))
        last_x, last_y = (int(np.ceil(edge)) + 3 for edge in (self.left + width, self.top + height))
        columns = np.arange(first_x, last_x).clip(0, photo.shape[1] - 1)
        rows = np.arange(first_y, last_y).clip(0, photo.shape[0] - 1)
        cut = Image.fromarray(photo[rows[:, None], columns])
        x, y = self.left + 0.5 - first_x, self.top + 0.5 - first_y
        box = (x, y, x + width, y + height)
        # Pillow widens the filter when it shrinks, so nothing is aliased.
        return np.array(cut.resize(self.size[::-1], Image.Resampling.BICUBIC, box=box))


def find_framing(
    pose: Pose, photo_size: tuple[int, int] | None, size: tuple[int, int], skeleton: Skeleton
) -> Framing:
    """Chooses the part of a photo to show: the whole if it has the model's size, else the person.

    Args:
        pose: One pose or the frames of an animation, in pixels of the photo, all with a torso.
        photo_size: Height and width. None if unknown; then the photo counts as one of the model's
            size if the joints would lie in it (up to a tenth beyond its edges) and fill half of its
            height, as those of the field's annotation tables do.
        size: Height and width of the model's image.
        skeleton: Of the pose. Its shoulders, hips, head and ankles are used.
    """
    if is_framed(pose, photo_size, size):
        return Framing(left=-0.5, top=-0.5, scale=1.0, size=size)
    left, top, right, bottom = _body(pose, skeleton)
    height = (bottom - top) / (LOWEST_JOINT - HIGHEST_JOINT)
    aspect = size[1] / size[0]
    wide = (right - left) / WIDEST_JOINTS / aspect
    window = max(height, wide, 1.0)
    # Where the width decides, the body keeps its place in the middle of the rows.
    first_row = top - HIGHEST_JOINT * height - (window - height) / 2
    return Framing(
        left=(left + right) / 2 - window * aspect / 2,
        top=first_row,
        scale=size[0] / window,
        size=size,
    )


def is_framed(pose: Pose, photo_size: tuple[int, int] | None, size: tuple[int, int]) -> bool:
    """Tells whether a photo is taken whole; see `find_framing`."""
    if photo_size is not None:
        return photo_size == size
    low, high = _extent(pose)
    edge = low.new_tensor([size[1], size[0]])
    inside = (low >= -0.1 * edge).all() and (high <= 1.1 * edge).all()
    return bool(inside and high[1] - low[1] >= size[0] / 2)


def _extent(pose: Pose) -> tuple[Float[Tensor, "2"], Float[Tensor, "2"]]:
    seen = pose.joints[pose.visible]
    return seen.amin(dim=0), seen.amax(dim=0)


def _body(pose: Pose, skeleton: Skeleton) -> tuple[float, float, float, float]:
    """Gives the box around all joints, those of head and feet guessed where they are not seen."""
    low, high = _extent(pose)

    def row(*names: str) -> Float[Tensor, "frames"]:
        return pose.joints[:, skeleton.indices(names), 1].mean(dim=1)

    def seen(*names: str) -> bool:
        return bool(pose.visible[:, skeleton.indices(names)].any(dim=1).all())

    shoulders = row("right_shoulder", "left_shoulder")
    hips = row("right_hip", "left_hip")
    torso = (hips - shoulders).abs()
    top, bottom = low[1], high[1]
    if not seen("nose", "right_eye", "left_eye", "right_ear", "left_ear"):
        top = torch.minimum(top, (shoulders - HEAD_ABOVE_SHOULDERS * torso).min())
    if not seen("right_ankle", "left_ankle"):
        bottom = torch.maximum(bottom, (hips + FEET_BELOW_HIPS * torso).max())
    return low[0].item(), top.item(), high[0].item(), bottom.item()


class PoseTransfer:
    """Gives the photo of a person in another pose.

        transfer = PoseTransfer.load("pedestrian")
        picture = transfer("photo.jpg", source_pose, target_pose)

    Args:
        generator: A trained generator, in evaluation mode.
        size: Height and width of the images it was trained on.
    """

    def __init__(self, generator: Generator, size: tuple[int, int]):
        self.generator = generator
        self.size = size

    @classmethod
    def load(
        cls, weights: str | Path = "pedestrian", device: str | torch.device = "cpu"
    ) -> "PoseTransfer":
        """Reads a checkpoint.

        Args:
            weights: Name of bundled weights or path of a .safetensors file.
            device: Where to compute.
        """
        generator, metadata = load_generator(weights, device)
        if "size" not in metadata:
            raise InputError(f"The metadata of the weights {weights} lack the image size.")
        height, width = metadata["size"]
        return cls(generator, (height, width))

    def __call__(
        self,
        source: UInt8[np.ndarray, "height width 3"] | str | Path,
        source_pose: Pose,
        target_pose: Pose,
        target_size: tuple[int, int] | None = None,
        noise_seed: int | None = None,
    ) -> UInt8[np.ndarray, "rows columns 3"]:
        """Paints the person of a photo in another pose.

        Args:
            source: The photo, RGB, or its file.
            source_pose: One pose, in pixels of the photo.
            target_pose: One pose, in pixels of the photo (or the canvas) that it was found in.
            target_size: Height and width of that photo; see `find_framing`.
            noise_seed: Leaves the generator's dropout on and draws it from this seed.

        Returns:
            RGB at the model's size, in the framing of the target.
        """
        (picture,) = self.animate(source, source_pose, target_pose, target_size, noise_seed)
        return picture

    def animate(
        self,
        source: UInt8[np.ndarray, "height width 3"] | str | Path,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
        noise_seed: int | None = None,
        batch_size: int = 8,
    ) -> Iterator[UInt8[np.ndarray, "rows columns 3"]]:
        """Paints the person of a photo in several poses, all framed alike.

        Args:
            source: As for one picture, like all that follow but `batch_size`.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            noise_seed: Every frame gets the same noise.
            batch_size: How many frames are computed at once.

        Yields:
            One picture per frame.
        """
        photo = source if isinstance(source, np.ndarray) else read_photo(source)
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        skeleton = self.generator.skeleton
        source_framing = find_framing(source_pose, photo.shape[:2], self.size, skeleton)
        target_framing = find_framing(target_poses, target_size, self.size, skeleton)
        image = to_image(source_framing.frame_photo(photo))
        source_view = View(image, source_framing.frame_pose(source_pose))
        targets = target_framing.frame_pose(target_poses)
        # Noise is drawn per item: one by one, each with the seed anew, all frames get the same.
        step = batch_size if noise_seed is None else 1
        for first in range(0, len(targets), step):
            yield from self._paint(source_view, targets[first : first + step], noise_seed)

    def _check_torso(self, whose: str, pose: Pose) -> None:
        skeleton = self.generator.skeleton
        lacking = ~pose.visible.all(dim=0)
        missing = [skeleton.joints[j] for j in skeleton.mandatory_joints if lacking[j]]
        if missing:
            raise InputError(
                f"The {whose} pose lacks {', '.join(missing)}; both shoulders and both hips must "
                "be seen."
            )

    @torch.inference_mode()
    def _paint(
        self, source: View, targets: Pose, noise_seed: int | None
    ) -> list[UInt8[np.ndarray, "rows columns 3"]]:
        device = next(self.generator.parameters()).device
        noise = None
        if noise_seed is not None:
            noise = torch.Generator(device).manual_seed(noise_seed)
        count = len(targets)
        view = View(
            source.image.expand(count, -1, -1, -1).to(device),
            Pose.cat([source.pose] * count).to(device),
        )
        pictures = self.generator(view, targets.to(device), noise)
        return [to_photo(picture) for picture in pictures]


def read_photo(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """Reads a photo as RGB, upright as its camera says.

    Args:
        path: A file of any format that Pillow knows.
    """
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"The image {path} does not exist.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(f"{path} cannot be read as an image.") from None


def to_image(photo: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "1 3 height width"]:
    """Turns a photo of bytes into a batch of one image in [-1, 1]."""
    return to_float(torch.from_numpy(photo).permute(2, 0, 1)[None])


def to_photo(image: Float[Tensor, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Turns an image in [-1, 1] into bytes, rounded to the nearest."""
    return to_bytes(image[None])[0].permute(1, 2, 0).cpu().numpy()
