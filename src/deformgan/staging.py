"""Staging: the generator's inputs from photos and poses, and the background of its pictures."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.errors import InputError
from deformgan.framing import (
    Framing,
    find_framing,
    frame_person,
    is_framed,
    rows_of_photo,
)
from deformgan.inputs import PosedPhoto
from deformgan.legs import complete_legs
from deformgan.models.generator import Generator
from deformgan.models.layers import resize_pose
from deformgan.pair import View
from deformgan.pixels import Photo, to_image
from deformgan.pose import Pose
from deformgan.scene import (
    Background,
    empty_photo,
    find_person,
    frame_scene,
    frame_smoothly,
    place_person,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

MOST_ROWS = 1024  # of a picture by default
ROWS = (16, 4096)
WIDEST = 4  # width by height; the network's input grows with it
_BESIDE = 0.15  # of a framing, margin on every side that may still show the person


@dataclass(frozen=True)
class Source(PosedPhoto):
    """A source photo, with what was computed from it alone.

    Attributes:
        kept: Computed values by name, each with the key that it was computed for.
    """

    kept: dict[str, tuple[Hashable, Any]] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def of(photo: PosedPhoto) -> "Source":
        """Return a photo that can keep what is computed from it."""
        if isinstance(photo, Source):
            return photo
        return Source(photo.pose, photo.size, photo.photo)

    def keep(self, name: str, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Return a value, computed only if the key differs from the last one of that name."""
        kept = self.kept.get(name)
        if kept is None or kept[0] != key:
            kept = self.kept[name] = (key, compute())
        return kept[1]


@dataclass(frozen=True)
class Shown:
    """The inputs of a generator with layers, and where they come from.

    Attributes:
        source: The source photo and its person.
        crop: The part of it that is the input, in whole pixels.
        whole: Whether that is all of a photo of the model's size.
        target_whole: Whether the poses are from such photos.
        target_framing: Of the picture, in the photo that the poses are from.
        targets: Poses in pixels of the picture.
        size: Height and width of the picture.
    """

    source: Source
    crop: Framing
    whole: bool
    target_whole: bool
    target_framing: Framing
    targets: Pose
    size: tuple[int, int]

    @property
    def seen(self) -> Framing:
        """The input: the cropped photo, downscaled to the picture's size if it is larger.

        More rows than the picture has would only alias.
        """
        return self.crop if self.crop.size[0] <= self.size[0] else self.crop.at(self.size)

    @cached_property
    def view(self) -> View:
        """The image and the pose in it."""
        image = to_image(frame_smoothly(_photo_of(self.source), self.seen))
        return View(image, self.seen.frame_pose(self.source.pose))


class Staging:
    """Frames photos and poses for a generator.

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
        people: Sequence[PosedPhoto],
        target: PosedPhoto,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
        hidden: bool = True,
    ) -> list[Shown]:
        """Frame all photos of a person, for pictures of one size; by default the largest of theirs.

        Args:
            people: Photos and their poses.
            target: See `show`, as for the other arguments.
            size: Size of the pictures.
            room: Margin of every photo.
            hidden: See `show`.
        """
        shown = [self.show(one, target, size, room, hidden) for one in people]
        largest = max((one.size for one in shown), key=lambda size: size[0])
        return [
            framed if framed.size == largest else self.show(one, target, largest, room, hidden)
            for one, framed in zip(people, shown, strict=True)
        ]

    def show(
        self,
        source: PosedPhoto,
        target: PosedPhoto,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
        hidden: bool = True,
    ) -> Shown:
        """Frame photo and poses for a generator with layers.

        Args:
            source: The photo and its pose.
            target: Target poses, all framed alike.
            size: Size of the pictures, see `PoseTransfer`.
            room: Margin to add on every side, as a fraction of each length.
            hidden: Whether to guess legs that the photo of the pose hides. The picture would show
                them in front of what hides them if that photo is behind the person.
        """
        photo, source_pose = _photo_of(source), source.pose
        target_poses, target_size = target.pose, target.size
        photo_size = (photo.shape[0], photo.shape[1])
        self.check_torso("source", source_pose)
        self.check_torso("target", target_poses)
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
        skeleton, source = self.generator.skeleton, Source.of(source)
        if not whole:
            source = replace(source, pose=complete_legs(source_pose, skeleton, photo_size))
        if not target_whole and target_size is not None:
            # A detector may miss a leg of a photo; whoever gives a pose may mean it as it is.
            edge = None if hidden and target.photo is not None else target_size
            target_poses = complete_legs(target_poses, skeleton, edge)
        return Shown(
            source,
            crop,
            whole,
            target_whole,
            target_framing,
            target_framing.frame_pose(target_poses),
            size,
        )

    def uncut_size(
        self, target: PosedPhoto, size: tuple[int, int] | int | None
    ) -> tuple[tuple[int, int] | int | None, tuple[float, float]]:
        """Return the size of the picture before it is cut where the photo of the pose ends.

        A photo that ends at the thighs has no pose of the legs: below them, there is nothing to
        show.

        Args:
            target: Target poses, all framed alike.
            size: Size of the picture that remains, see `PoseTransfer`.

        Returns:
            Size of the whole picture, and the first row and the row after the last that remain, as
            fractions of its height.
        """
        self.check_torso("target", target.pose)
        if target.size is None or is_framed(target.pose, target.size, self.size):
            return size, (0.0, 1.0)
        framing = self._framing(target.pose, target.size, self.size)
        kept = rows_of_photo(target.pose, target.size, framing, self.generator.skeleton)
        if size is None or kept == (0.0, 1.0):
            return size, kept
        _check_shape(self.full_size(size))
        rows = size if isinstance(size, int) else size[0]
        uncut = round(rows / (kept[1] - kept[0]))
        return (uncut if isinstance(size, int) else (uncut, size[1])), kept

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
        """Find the part of the source photo in front of which the person stands."""
        if shown.whole and shown.target_whole:
            return shown.target_framing
        framing = shown.crop.at(shown.size)
        return place_person(shown.source.pose, shown.targets, framing, self.generator.skeleton)

    def empty_source(self, source: Source) -> Photo:
        """Take the person out of a source photo, once."""
        return source.keep("emptied", self, lambda: self.empty(_photo_of(source), source.pose))

    @torch.inference_mode()
    def empty(self, photo: Photo, pose: Pose) -> Photo:
        """Take the person of a pose out of a photo."""
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
        wanted: Background | None,
        shown: Shown,
        target_size: tuple[int, int] | None,
    ) -> Tensor | str | None:
        """Return what is behind the person: an image, "paint", or None for nothing.

        Args:
            wanted: See `PoseTransfer`.
            shown: The (first) source photo.
            target_size: Size of the photo of the target pose.
        """
        if wanted is None:
            wanted = "paint" if shown.whole else "source"
        if isinstance(wanted, str):
            if wanted == "none":
                return None
            if wanted == "paint":
                return wanted
            picture = frame_scene(self.empty_source(shown.source), self.place(shown))
        elif isinstance(wanted, tuple):
            picture = np.array(wanted, dtype=np.uint8)[None, None]
        elif wanted.shape[:2] == target_size:
            picture = frame_scene(wanted, shown.target_framing)
        else:
            covering = Framing.covering((wanted.shape[0], wanted.shape[1]), shown.size)
            picture = frame_scene(wanted, covering)
        scene = to_image(picture).to(next(self.generator.parameters()).device)
        return scene.expand(-1, -1, *shown.size)

    def check_size(self, size: tuple[int, int] | int | None) -> None:
        """Refuse a size in which no picture can be painted; see `PoseTransfer`."""
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

    def check_background(self, wanted: Background | None) -> None:
        """Refuse a background that a generator without layers does not support."""
        if self.layered:
            return
        photo = isinstance(wanted, np.ndarray)
        if self.generator.config.background and not photo:
            raise InputError("These weights require a photo as background=.")
        if not self.generator.config.background and (photo or wanted not in (None, "paint")):
            raise InputError(
                "These weights generate the scene themselves; use background=paint, or weights "
                "with layers."
            )

    def frame(
        self,
        source: PosedPhoto,
        target: PosedPhoto,
        size: tuple[int, int] | int | None = None,
    ) -> tuple[View, Pose]:
        """Return the inputs of the generator: a view, and the target poses in its pixels.

        Args:
            source: The photo and its pose.
            target: Target poses, all framed alike.
            size: Size of the pictures. Without layers the view has the generator's size, otherwise
                the photo's own resolution up to this size.
        """
        if self.layered:
            shown = self.show(source, target, size)
            image = shown.view.image
            return shown.view, resize_pose(
                shown.targets, shown.size, (image.shape[2], image.shape[3])
            )
        self.check_size(size)
        photo = _photo_of(source)
        self.check_torso("source", source.pose)
        self.check_torso("target", target.pose)
        skeleton = self.generator.skeleton
        source_framing = find_framing(source.pose, photo.shape[:2], self.size, skeleton)
        target_framing = find_framing(target.pose, target.size, self.size, skeleton)
        image = to_image(source_framing.frame_photo(photo))
        source_view = View(image, source_framing.frame_pose(source.pose))
        return source_view, target_framing.frame_pose(target.pose)

    def frame_background(
        self, wanted: Background | None, target: PosedPhoto
    ) -> Float[Tensor, "1 3 height width"] | None:
        """Frame the background photo of a background-conditioned generator without layers.

        Args:
            wanted: See `PoseTransfer`.
            target: Target poses.

        Returns:
            The image; None if the generator takes none.
        """
        self.check_background(wanted)
        if not isinstance(wanted, np.ndarray):
            return None
        skeleton = self.generator.skeleton
        if wanted.shape[:2] == target.size:
            framing = find_framing(target.pose, target.size, self.size, skeleton)
        else:
            framing = Framing.covering((wanted.shape[0], wanted.shape[1]), self.size)
        return to_image(framing.frame_photo(wanted))

    def check_torso(self, whose: str, pose: Pose) -> None:
        """Refuse poses without the joints that are needed; `whose` is source or target."""
        skeleton = self.generator.skeleton
        lacking = ~pose.visible.all(dim=0)
        missing = [skeleton.joints[j] for j in skeleton.mandatory_joints if lacking[j]]
        if missing:
            raise InputError(
                f"The {whose} pose lacks {', '.join(missing)}; "
                + (
                    "both shoulders and both hips must be visible."
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


def _photo_of(source: PosedPhoto) -> Photo:
    if source.photo is None:
        raise ValueError("a source needs its photo, got a pose without one")
    return source.photo
