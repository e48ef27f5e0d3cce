"""Staging: the generator's view of photos, and the background of the person."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.errors import InputError
from deformgan.framing import Framing, find_framing, frame_person, is_framed, read_photo
from deformgan.models.generator import Generator
from deformgan.models.layers import resize_pose
from deformgan.pair import View
from deformgan.pixels import Photo, to_image
from deformgan.pose import Pose
from deformgan.scene import (
    empty_photo,
    find_person,
    frame_smoothly,
    place_person,
    read_background,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

AnyPhoto = Photo | str | Path

MOST_ROWS = 1024  # of a picture whose size nobody asked for
ROWS = (16, 4096)
WIDEST = 4  # what the network looks at grows with it
_BESIDE = 0.15  # of a framing, on every side, where some of its person may still be


@dataclass(frozen=True)
class Shown:
    """Input of a generator with layers, and the photos and framings that it comes from.

    Attributes:
        photo: The source photo.
        photo_pose: Its person.
        crop: What is shown of it: whole pixels.
        whole: Whether that is all of a photo of the model's size.
        target_whole: Whether the poses are from such photos.
        target_framing: Of the picture, in the photo that the poses are from.
        targets: Poses in pixels of the picture.
        size: Height and width of the picture.
    """

    photo: Photo
    photo_pose: Pose
    crop: Framing
    whole: bool
    target_whole: bool
    target_framing: Framing
    targets: Pose
    size: tuple[int, int]

    @cached_property
    def view(self) -> View:
        """The source view: the photo's own pixels, or fewer, each a mean of several.

        More of them than the picture has rows would only alias.
        """
        seen = self.crop if self.crop.size[0] <= self.size[0] else self.crop.at(self.size)
        image = to_image(frame_smoothly(self.photo, seen))
        return View(image, seen.frame_pose(self.photo_pose))


class Staging:
    """Framing of photos and poses for a generator.

    Args:
        generator: A trained generator.
        size: Height and width that it works at (see `PoseTransfer.size`).
    """

    def __init__(self, generator: Generator, size: tuple[int, int]):
        self.generator = generator
        self.size = size
        self.layered = generator.config.layers is not None

    def show_all(
        self,
        people: Sequence[tuple[AnyPhoto, Pose]],
        target_poses: Pose,
        target_size: tuple[int, int] | None,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
    ) -> list[Shown]:
        """Frame all photos of a person for one picture size, by default the largest of theirs.

        Args:
            people: Photos and their poses.
            target_poses: As for `show`, like all that follow.
            target_size: One for all frames.
            size: One for all frames.
            room: One for all photos.
        """
        shown = [self.show(*one, target_poses, target_size, size, room) for one in people]
        largest = max((one.size for one in shown), key=lambda size: size[0])
        return [
            one
            if one.size == largest
            else self.show(one.photo, one.photo_pose, target_poses, target_size, largest, room)
            for one in shown
        ]

    def show(
        self,
        source: AnyPhoto,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
    ) -> Shown:
        """Frame photo and poses for a generator with layers.

        Args:
            source: As for `PoseTransfer`, like all that follow but `room`.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            size: One for all frames.
            room: More to be shown on every side, by a share of each length.
        """
        photo = read(source)
        photo_size = (photo.shape[0], photo.shape[1])
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        if size is None:
            rows = self._framing(source_pose, photo_size, self.size).shown[0]
            size = min(max(round(rows), self.size[0]), MOST_ROWS)
        size = self.full_size(size)
        _check_shape(size)
        target_framing = self._framing(target_poses, target_size, size, room)
        whole, target_whole = (
            is_framed(pose, of, self.size)
            for pose, of in ((source_pose, photo_size), (target_poses, target_size))
        )
        crop = self._framing(source_pose, photo_size, size, 0.0 if whole else room).whole_pixels()
        return Shown(
            photo,
            source_pose,
            crop,
            whole,
            target_whole,
            target_framing,
            target_framing.frame_pose(target_poses),
            size,
        )

    def full_size(self, size: tuple[int, int] | int) -> tuple[int, int]:
        """Return height and width, the latter in the model's proportion if it is not given."""
        return (size, round(size * self.size[1] / self.size[0])) if isinstance(size, int) else size

    def _framing(
        self,
        poses: Pose,
        photo_size: tuple[int, int] | None,
        size: tuple[int, int],
        room: float = 0.0,
    ) -> Framing:
        if is_framed(poses, photo_size, self.size):
            framing = Framing.padded(self.size, size)
        else:
            framing = frame_person(poses, size, self.generator.skeleton)
        return framing.widened(room).at(size) if room else framing

    def place(self, shown: Shown) -> Framing:
        """Find the part of the source photo that is behind the person in the picture."""
        if shown.whole and shown.target_whole:
            return shown.target_framing
        framing = shown.crop.at(shown.size)
        return place_person(shown.photo_pose, shown.targets, framing, self.generator.skeleton)

    @torch.inference_mode()
    def empty(self, photo: Photo, pose: Pose) -> Photo:
        """Remove the person of a pose from a photo."""
        generator, photo_size = self.generator, (photo.shape[0], photo.shape[1])
        # More than is framed: hats, feet and what is carried.
        wide = self._framing(pose, photo_size, self.size, _BESIDE)
        box = wide.whole_pixels().within(photo_size)
        if box is None:
            return photo
        size = generator.network_size(box.size)
        seen = box.at(size)
        device = next(generator.parameters()).device
        view = View(to_image(seen.frame_photo(photo)), seen.frame_pose(pose))
        matte = generator.source_matte(View(view.image.to(device), view.pose.to(device)))
        matte = None if matte is None else matte.cpu()
        return empty_photo(photo, find_person(matte, view.pose, generator.skeleton, size), box)

    def scene(
        self,
        background: AnyPhoto | None,
        shown: Shown,
        target_size: tuple[int, int] | None,
    ) -> Tensor | str | None:
        """Prepare the background: an image, "paint", or None for a transparent one."""
        wanted = read_background(background)
        if wanted is None:
            wanted = "paint" if shown.whole else "source"
        if isinstance(wanted, str):
            if wanted == "none":
                return None
            if wanted == "paint":
                return wanted
            emptied = self.empty(shown.photo, shown.photo_pose)
            picture = frame_smoothly(emptied, self.place(shown))
        elif isinstance(wanted, tuple):
            picture = np.array(wanted, dtype=np.uint8)[None, None]
        elif wanted.shape[:2] == target_size:
            picture = frame_smoothly(wanted, shown.target_framing)
        else:
            covering = Framing.covering((wanted.shape[0], wanted.shape[1]), shown.size)
            picture = frame_smoothly(wanted, covering)
        scene = to_image(picture).to(next(self.generator.parameters()).device)
        return scene.expand(-1, -1, *shown.size)

    def check_size(self, size: tuple[int, int] | int | None) -> None:
        """Raise an error for a picture size that is not supported; see `PoseTransfer`."""
        if size in (None, self.size[0], self.size):
            return
        if self.layered:
            _check_shape(self.full_size(size))
            return
        asked = f"{size}" if isinstance(size, int) else "x".join(map(str, size or ()))
        raise InputError(
            f"The size is {asked}, but these weights paint pictures of "
            f"{self.size[0]}x{self.size[1]} (height x width) only."
        )

    def frame(
        self,
        source: AnyPhoto,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
        size: tuple[int, int] | int | None = None,
    ) -> tuple[View, Pose]:
        """Return the generator's input: photo and poses, in pixels of one image.

        Args:
            source: As for one picture, like all that follow.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            size: One for all frames. Without layers the image has the model's size; with them it
                has what the photo has there, up to this.
        """
        if self.layered:
            shown = self.show(source, source_pose, target_poses, target_size, size)
            image = shown.view.image
            return shown.view, resize_pose(
                shown.targets, shown.size, (image.shape[2], image.shape[3])
            )
        self.check_size(size)
        photo = read(source)
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        skeleton = self.generator.skeleton
        source_framing = find_framing(source_pose, photo.shape[:2], self.size, skeleton)
        target_framing = find_framing(target_poses, target_size, self.size, skeleton)
        image = to_image(source_framing.frame_photo(photo))
        source_view = View(image, source_framing.frame_pose(source_pose))
        return source_view, target_framing.frame_pose(target_poses)

    def frame_background(
        self,
        background: AnyPhoto | None,
        target_poses: Pose,
        target_size: tuple[int, int] | None,
    ) -> Float[Tensor, "1 3 height width"] | None:
        """Frame the background input of a generator without layers; None if it has none."""
        wanted = self.generator.config.background
        scene = read_background(background)
        if scene is not None and not isinstance(scene, np.ndarray):
            if scene == "paint" and not wanted:
                return None
            raise InputError(
                f"The background is {background}, but these weights "
                + (
                    "paint people in the scene of a photo: give one."
                    if wanted
                    else "paint the scene themselves: give paint, or weights with layers."
                )
            )
        if scene is None:
            if wanted:
                raise InputError("These weights paint people in a scene: give --background.")
            return None
        if not wanted:
            raise InputError(
                "These weights take no background; give those of a recipe *-background."
            )
        skeleton = self.generator.skeleton
        if scene.shape[:2] == target_size:
            framing = find_framing(target_poses, target_size, self.size, skeleton)
        else:
            framing = Framing.covering((scene.shape[0], scene.shape[1]), self.size)
        return to_image(framing.frame_photo(scene))

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


def _check_shape(size: tuple[int, int]) -> None:
    low, high = ROWS
    if not (low <= size[0] <= high and size[0] / WIDEST <= size[1] <= size[0] * WIDEST):
        raise InputError(
            f"The size is {size[0]}x{size[1]} (height x width); pictures have {low} to {high} rows "
            f"and no side is more than {WIDEST} times the other."
        )


def read(photo: AnyPhoto) -> Photo:
    """Return a photo's pixels, reading its file if it is a path."""
    return photo if isinstance(photo, np.ndarray) else read_photo(photo)
