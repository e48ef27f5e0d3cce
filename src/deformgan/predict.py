"""PoseTransfer: checkpoint + photo + pose -> picture; the only uint8 border."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import to_bytes, to_float
from deformgan.errors import InputError
from deformgan.framing import Framing, find_framing, read_photo
from deformgan.models.blocks import Noise
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18


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
        cls,
        weights: str | Path = "pedestrian",
        device: str | torch.device = "cpu",
        background: bool = True,
    ) -> "PoseTransfer":
        """Reads a checkpoint.

        Args:
            weights: Name of bundled weights or path of a .safetensors file.
            device: Where to compute.
            background: Whether weights that need a background are welcome.
        """
        generator, metadata = load_generator(weights, device, background)
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
        background: UInt8[np.ndarray, "_ _ 3"] | None = None,
    ) -> UInt8[np.ndarray, "rows columns 3"]:
        """Paints the person of a photo in another pose.

        Args:
            source: The photo, RGB, or its file.
            source_pose: One pose, in pixels of the photo.
            target_pose: One pose, in pixels of the photo (or the canvas) that it was found in.
            target_size: Height and width of that photo; see `find_framing`.
            noise_seed: Leaves the generator's dropout on and draws it from this seed.
            background: A photo of the scene to put the person in, for a generator that takes one.
                One of the target photo's size is framed as that is; any other fills the picture
                from its middle.

        Returns:
            RGB at the model's size, in the framing of the target.
        """
        (picture,) = self.animate(
            source, source_pose, target_pose, target_size, noise_seed, background=background
        )
        return picture

    def animate(
        self,
        source: UInt8[np.ndarray, "height width 3"] | str | Path,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
        noise_seed: int | None = None,
        batch_size: int = 8,
        background: UInt8[np.ndarray, "_ _ 3"] | None = None,
    ) -> Iterator[UInt8[np.ndarray, "rows columns 3"]]:
        """Paints the person of a photo in several poses, all framed alike.

        Args:
            source: As for one picture, like all that follow but `batch_size`.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            noise_seed: Every frame gets the same noise.
            batch_size: How many frames are computed at once.
            background: One for all frames.

        Yields:
            One picture per frame.
        """
        scene = self._frame_background(background, target_poses, target_size)
        source_view, targets = self.frame(source, source_pose, target_poses, target_size)
        # Noise is drawn per item: one by one, each with the seed anew, all frames get the same.
        step = batch_size if noise_seed is None else 1
        for first in range(0, len(targets), step):
            yield from self._paint(source_view, targets[first : first + step], noise_seed, scene)

    def frame(
        self,
        source: UInt8[np.ndarray, "height width 3"] | str | Path,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
    ) -> tuple[View, Pose]:
        """Gives what the generator is shown: photo and poses, in pixels of the model's image.

        Args:
            source: As for one picture, like all that follow.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
        """
        photo = source if isinstance(source, np.ndarray) else read_photo(source)
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        skeleton = self.generator.skeleton
        source_framing = find_framing(source_pose, photo.shape[:2], self.size, skeleton)
        target_framing = find_framing(target_poses, target_size, self.size, skeleton)
        image = to_image(source_framing.frame_photo(photo))
        source_view = View(image, source_framing.frame_pose(source_pose))
        return source_view, target_framing.frame_pose(target_poses)

    def _frame_background(
        self,
        background: UInt8[np.ndarray, "_ _ 3"] | None,
        target_poses: Pose,
        target_size: tuple[int, int] | None,
    ) -> Float[Tensor, "1 3 height width"] | None:
        wanted = self.generator.config.background
        if background is None:
            if wanted:
                raise InputError("These weights paint people in a scene: give --background.")
            return None
        if not wanted:
            raise InputError(
                "These weights take no background; give those of a recipe *-background."
            )
        skeleton = self.generator.skeleton
        if background.shape[:2] == target_size:
            framing = find_framing(target_poses, target_size, self.size, skeleton)
        else:
            framing = Framing.covering((background.shape[0], background.shape[1]), self.size)
        return to_image(framing.frame_photo(background))

    def _check_torso(self, whose: str, pose: Pose) -> None:
        skeleton = self.generator.skeleton
        lacking = ~pose.visible.all(dim=0)
        missing = [skeleton.joints[j] for j in skeleton.mandatory_joints if lacking[j]]
        if missing:
            raise InputError(
                f"The {whose} pose lacks {', '.join(missing)}; "
                + (
                    "both shoulders and both hips must be seen."
                    if skeleton.name == OPENPOSE18.name
                    else "these joints must be seen."
                )
            )

    @torch.inference_mode()
    def _paint(
        self,
        source: View,
        targets: Pose,
        noise_seed: int | None,
        scene: Float[Tensor, "1 3 height width"] | None = None,
    ) -> list[UInt8[np.ndarray, "rows columns 3"]]:
        device = next(self.generator.parameters()).device
        noise = None
        if noise_seed is not None:
            noise = Noise(torch.Generator(device).manual_seed(noise_seed))
        count = len(targets)
        view = View(
            source.image.expand(count, -1, -1, -1).to(device),
            Pose.cat([source.pose] * count).to(device),
        )
        if scene is not None:
            scene = scene.expand(count, -1, -1, -1).to(device)
        pictures = self.generator(view, targets.to(device), noise, scene)
        return [to_photo(picture) for picture in pictures]


def to_image(photo: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "1 3 height width"]:
    """Turns a photo of bytes into a batch of one image in [-1, 1]."""
    return to_float(torch.from_numpy(photo).permute(2, 0, 1)[None])


def to_photo(image: Float[Tensor, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Turns an image in [-1, 1] into bytes, rounded to the nearest."""
    return to_bytes(image[None])[0].permute(1, 2, 0).cpu().numpy()
