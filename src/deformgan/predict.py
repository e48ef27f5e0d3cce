"""PoseTransfer: checkpoint + photo + pose -> picture; the only uint8 border."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.backgrounds import fill_holes
from deformgan.datasets.batches import to_bytes, to_float
from deformgan.errors import InputError
from deformgan.framing import Framing, find_framing, frame_person, is_framed, read_photo
from deformgan.models.blocks import Noise
from deformgan.models.generator import Generator
from deformgan.models.layers import Layers, combine, resize, resize_pose
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.scene import (
    Photo,
    cut_out,
    empty_photo,
    find_person,
    frame_smoothly,
    place_person,
    put_into,
    read_background,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

AnyPhoto = Photo | str | Path

MOST_ROWS = 1024  # of a picture whose size nobody asked for
ROWS = (16, 4096)
WIDEST = 4  # what the network looks at grows with it
_MOST_PASTED = 2048  # rows; a larger person is enlarged
_ROOM = 0.08  # of a framing, on every side, for hats and feet that would be cut off within a photo
_BESIDE = 0.15  # of a framing, on every side, where some of its person may still be
_MOST_PADDING = 0.02  # of a length: below that, proportions differ by rounding only


@dataclass(frozen=True)
class _Shown:
    """What a generator with layers is shown, and where it comes from.

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
        """What is shown: the photo's pixels as they are, or fewer, each a mean of several.

        More of them than the picture has rows would only alias.
        """
        seen = self.crop if self.crop.size[0] <= self.size[0] else self.crop.at(self.size)
        image = to_image(frame_smoothly(self.photo, seen))
        return View(image, seen.frame_pose(self.photo_pose))


class PoseTransfer:
    """The photo of a person in another pose.

        transfer = PoseTransfer.load("pedestrian")
        picture = transfer("photo.jpg", source_pose, target_pose)

    Args:
        generator: A trained generator, in evaluation mode.
        size: Height and width of the images it was trained on.

    Attributes:
        size: Height and width that the model works at: photos of it are taken whole. Of a generator
            with layers, which paints pictures of any size, those at which it looks at photos.
    """

    def __init__(self, generator: Generator, size: tuple[int, int]):
        self.generator = generator
        self.size = size
        if (layers := generator.config.layers) is not None:
            self.size = (layers.rows, round(layers.rows * size[1] / size[0]))

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

    @property
    def layered(self) -> bool:
        """Whether pictures may have any size, and any background."""
        return self.generator.config.layers is not None

    def __call__(
        self,
        source: AnyPhoto | Sequence[AnyPhoto],
        source_pose: Pose | Sequence[Pose],
        target_pose: Pose,
        target_size: tuple[int, int] | None = None,
        noise_seed: int | None = None,
        background: AnyPhoto | None = None,
        size: tuple[int, int] | int | None = None,
    ) -> UInt8[np.ndarray, "rows columns channels"]:
        """Paints the person of a photo in another pose.

        Args:
            source: The photo, RGB, or its file; or several photos of one person, for a generator
                with layers: whatever one of them shows is copied from there. The first is the one
                meant wherever "the source photo" has a scene or a size.
            source_pose: One pose, in pixels of the photo; of several photos, one each.
            target_pose: One pose, in pixels of the photo (or the canvas) that it was found in.
            target_size: Height and width of that photo; see `find_framing`.
            noise_seed: Leaves the generator's dropout on and draws it from this seed.
            background: What is behind the person: "paint", the scene as the generator paints it;
                "source", the source photo's own with its person taken out; "none", nothing: the
                picture has a fourth channel, straight alpha; a colour as "#rrggbb"; or a photo or
                its file. A photo of the target photo's size is framed as that is; any other fills
                the picture from its middle. By default "paint" for source photos of the model's
                size and "source" for all others. Only a generator with layers has the choice; one
                that paints in a given scene needs a photo, and any other takes none.
            size: Height and width of the picture, or the height alone; by default that of the
                person's surroundings in the source photo, from the model's up to `MOST_ROWS` rows.
                Generators without layers paint the model's size only.

        Returns:
            RGB, or RGBA for the background "none", in the framing of the target.
        """
        (picture,) = self.animate(
            source,
            source_pose,
            target_pose,
            target_size,
            noise_seed,
            background=background,
            size=size,
        )
        return picture

    def animate(
        self,
        source: AnyPhoto | Sequence[AnyPhoto],
        source_pose: Pose | Sequence[Pose],
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
        noise_seed: int | None = None,
        batch_size: int = 8,
        background: AnyPhoto | None = None,
        size: tuple[int, int] | int | None = None,
    ) -> Iterator[UInt8[np.ndarray, "rows columns channels"]]:
        """Paints the person of a photo in several poses, all framed alike.

        Args:
            source: As for one picture, like all that follow but `batch_size`.
            source_pose: One pose, or one for each photo.
            target_poses: The frames.
            target_size: One for all frames.
            noise_seed: Every frame gets the same noise.
            batch_size: How many frames are computed at once.
            background: One for all frames.
            size: One for all frames.

        Yields:
            One picture per frame.
        """
        # Noise is drawn per item: one by one, each with the seed anew, all frames get the same.
        step = batch_size if noise_seed is None else 1
        people = _people(source, source_pose)
        if not self.layered:
            if len(people) > 1:
                raise InputError(
                    f"{len(people)} photos of a person are given, but these weights paint from "
                    "one: several need weights with layers."
                )
            self.check_size(size)
            scene = self._frame_background(background, target_poses, target_size)
            view, targets = self.frame(*people[0], target_poses, target_size)
            for first in range(0, len(targets), step):
                some = targets[first : first + step]
                yield from _to_photos(paint(self.generator, view, some, None, noise_seed, scene))
            return
        shown = self._show_all(people, target_poses, target_size, size)
        behind = self._behind(background, shown[0], target_size)
        for first in range(0, len(target_poses), step):
            layers = self._layers(shown, slice(first, first + step), noise_seed)
            if behind is None:
                yield from _to_photos(cut_out(layers.person, layers.matte))
            elif isinstance(behind, str):
                yield from _to_photos(to_bytes(layers.picture))
            else:
                yield from _to_photos(to_bytes(layers.over(behind)))

    def paste(
        self,
        source: AnyPhoto | Sequence[AnyPhoto],
        source_pose: Pose | Sequence[Pose],
        target_pose: Pose,
        into: AnyPhoto | None = None,
        noise_seed: int | None = None,
        target_size: tuple[int, int] | None = None,
    ) -> Photo:
        """Paint the person of a photo in another pose, into a whole photo.

        Args:
            source: As for `__call__`.
            source_pose: As for `__call__`.
            target_pose: One pose.
            into: The photo that the target pose was found in, or its file: the person takes the
                place of the one who is there. None: the person stays in the source photo, where
                they stood and as large as they were.
            noise_seed: See `__call__`.
            target_size: Height and width of the canvas that the pose is from, where `into` is None.

        Returns:
            RGB of the size of that photo. No byte changes outside of the place of both people.
        """
        if not self.layered:
            raise InputError("These weights paint whole pictures: pasting needs some with layers.")
        other = None if into is None else _read(into)
        if other is not None:
            target_size = (other.shape[0], other.shape[1])
        people = _people(source, source_pose)
        shown = self._show(*people[0], target_pose, target_size, self.size, _ROOM)
        place = self._place(shown) if other is None else shown.target_framing
        box = place.whole_pixels()
        rows, columns = box.size
        shrink = min(1.0, _MOST_PASTED / max(box.size))
        size = (max(1, round(rows * shrink)), max(1, round(columns * shrink)))
        everything = self._show_all(people, target_pose, target_size, size, _ROOM)
        layers = self._layers(everything, slice(0, 1), noise_seed)
        if other is None:
            emptied = self._empty(shown.photo, shown.photo_pose)
        else:
            emptied = self._empty(other, target_pose)
        return put_into(emptied, _to_photos(cut_out(layers.person, layers.matte))[0], box)

    def frame(
        self,
        source: AnyPhoto,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None = None,
        size: tuple[int, int] | int | None = None,
    ) -> tuple[View, Pose]:
        """Returns what the generator is shown: photo and poses, in pixels of one image.

        Args:
            source: As for one picture, like all that follow.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            size: One for all frames. Without layers the image has the model's size; with them it
                has what the photo has there, up to this.
        """
        if self.layered:
            shown = self._show(source, source_pose, target_poses, target_size, size)
            image = shown.view.image
            return shown.view, resize_pose(
                shown.targets, shown.size, (image.shape[2], image.shape[3])
            )
        self.check_size(size)
        photo = _read(source)
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        skeleton = self.generator.skeleton
        source_framing = find_framing(source_pose, photo.shape[:2], self.size, skeleton)
        target_framing = find_framing(target_poses, target_size, self.size, skeleton)
        image = to_image(source_framing.frame_photo(photo))
        source_view = View(image, source_framing.frame_pose(source_pose))
        return source_view, target_framing.frame_pose(target_poses)

    def _show_all(
        self,
        people: Sequence[tuple[AnyPhoto, Pose]],
        target_poses: Pose,
        target_size: tuple[int, int] | None,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
    ) -> list[_Shown]:
        """Frame all photos of a person, for pictures of one size: by default the largest of theirs.

        Args:
            people: Photos and their poses.
            target_poses: As for `_show`, like all that follow.
            target_size: One for all frames.
            size: One for all frames.
            room: One for all photos.
        """
        shown = [self._show(*one, target_poses, target_size, size, room) for one in people]
        largest = max((one.size for one in shown), key=lambda size: size[0])
        return [
            one
            if one.size == largest
            else self._show(one.photo, one.photo_pose, target_poses, target_size, largest, room)
            for one in shown
        ]

    def _show(
        self,
        source: AnyPhoto,
        source_pose: Pose,
        target_poses: Pose,
        target_size: tuple[int, int] | None,
        size: tuple[int, int] | int | None,
        room: float = 0.0,
    ) -> _Shown:
        """Frame photo and poses for a generator with layers.

        Args:
            source: As for `__call__`, like all that follow but `room`.
            source_pose: One pose.
            target_poses: The frames.
            target_size: One for all frames.
            size: One for all frames.
            room: More to be shown on every side, by a share of each length.
        """
        photo = _read(source)
        photo_size = (photo.shape[0], photo.shape[1])
        self._check_torso("source", source_pose)
        self._check_torso("target", target_poses)
        if size is None:
            rows = self._framing(source_pose, photo_size, self.size).shown[0]
            size = min(max(round(rows), self.size[0]), MOST_ROWS)
        size = self._full(size)
        _check_shape(size)
        target_framing = self._framing(target_poses, target_size, size, room)
        whole, target_whole = (
            is_framed(pose, of, self.size)
            for pose, of in ((source_pose, photo_size), (target_poses, target_size))
        )
        crop = self._framing(source_pose, photo_size, size, 0.0 if whole else room).whole_pixels()
        return _Shown(
            photo,
            source_pose,
            crop,
            whole,
            target_whole,
            target_framing,
            target_framing.frame_pose(target_poses),
            size,
        )

    def _full(self, size: tuple[int, int] | int) -> tuple[int, int]:
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

    def _place(self, shown: _Shown) -> Framing:
        """Find the part of the source photo in front of which the person stands."""
        if shown.whole and shown.target_whole:
            return shown.target_framing
        framing = shown.crop.at(shown.size)
        return place_person(shown.photo_pose, shown.targets, framing, self.generator.skeleton)

    @torch.inference_mode()
    def _empty(self, photo: Photo, pose: Pose) -> Photo:
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

    def _behind(
        self,
        background: AnyPhoto | None,
        shown: _Shown,
        target_size: tuple[int, int] | None,
    ) -> Tensor | str | None:
        """Prepare what is behind the person: an image, "paint", or None for nothing."""
        wanted = read_background(background)
        if wanted is None:
            wanted = "paint" if shown.whole else "source"
        if isinstance(wanted, str):
            if wanted == "none":
                return None
            if wanted == "paint":
                return wanted
            emptied = self._empty(shown.photo, shown.photo_pose)
            picture = frame_smoothly(emptied, self._place(shown))
        elif isinstance(wanted, tuple):
            picture = np.array(wanted, dtype=np.uint8)[None, None]
        elif wanted.shape[:2] == target_size:
            picture = frame_smoothly(wanted, shown.target_framing)
        else:
            covering = Framing.covering((wanted.shape[0], wanted.shape[1]), shown.size)
            picture = frame_smoothly(wanted, covering)
        scene = to_image(picture).to(next(self.generator.parameters()).device)
        return scene.expand(-1, -1, *shown.size)

    @torch.inference_mode()
    def _layers(self, shown: Sequence[_Shown], frames: slice, noise_seed: int | None) -> Layers:
        """Paint some frames from every photo, and combine what comes of them."""
        painted = []
        for one in shown:
            targets, image = one.targets[frames], one.view.image
            targets = resize_pose(targets, one.size, (image.shape[2], image.shape[3]))
            view, targets, noise = _to_device(self.generator, one.view, targets, noise_seed)
            painted.append(self.generator.layers(view, targets, one.size, noise=noise))
        return combine(painted)

    def check_size(self, size: tuple[int, int] | int | None) -> None:
        """Refuse a size in which no picture can be painted; see `__call__`."""
        if size in (None, self.size[0], self.size):
            return
        if self.layered:
            _check_shape(self._full(size))
            return
        asked = f"{size}" if isinstance(size, int) else "x".join(map(str, size or ()))
        raise InputError(
            f"The size is {asked}, but these weights paint pictures of "
            f"{self.size[0]}x{self.size[1]} (height x width) only."
        )

    def _frame_background(
        self,
        background: AnyPhoto | None,
        target_poses: Pose,
        target_size: tuple[int, int] | None,
    ) -> Float[Tensor, "1 3 height width"] | None:
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


@torch.inference_mode()
def paint(
    generator: Generator,
    source: View | Sequence[View],
    targets: Pose,
    size: tuple[int, int] | None = None,
    noise_seed: int | None = None,
    background: Float[Tensor, "1 3 height width"] | None = None,
) -> UInt8[Tensor, "batch 3 rows columns"]:
    """Paint whole images in other poses, without any framing: how data sets are painted.

    Args:
        generator: In evaluation mode.
        source: Photos and poses, one per target or one for all. A generator without layers needs
            its own size. For one with layers also several of these, other photos of the same
            people.
        targets: In pixels of images of `size`.
        size: Height and width of the pictures; by default the (first) photos'. Only a generator
            with layers can change it. Photos of other proportions are widened, smoothly.
        noise_seed: Leaves the generator's dropout on and draws it from this seed.
        background: For a generator that takes one.

    Returns:
        RGB, on the CPU.
    """
    sources = [source] if isinstance(source, View) else list(source)
    before = (sources[0].image.shape[2], sources[0].image.shape[3])
    size = size or before
    if generator.config.layers is None:
        if size != before:
            raise ValueError(f"without layers, pictures have the photos' size {before}, not {size}")
        if len(sources) != 1:
            raise ValueError(f"without layers, pictures have one source, not {len(sources)}")
        view, targets, noise = _to_device(generator, sources[0], targets, noise_seed)
        if background is not None:
            background = background.expand(len(targets), -1, -1, -1).to(view.image.device)
        return to_bytes(generator(view, targets, noise, background)).cpu()
    painted = []
    for whole in sources:
        one = _fit(whole, size)
        shown = (one.image.shape[2], one.image.shape[3])
        asked = resize_pose(targets, size, shown)
        view, asked, noise = _to_device(generator, one, asked, noise_seed)
        painted.append(generator.layers(view, asked, size, noise=noise))
    return to_bytes(combine(painted).picture).cpu()


def _fit(source: View, size: tuple[int, int]) -> View:
    """Widen photos to the proportions of a size, and leave them no more rows than it has."""
    if (source.image.shape[2], source.image.shape[3]) == size:
        return source
    source = _proportion(source, size)
    shown = (source.image.shape[2], source.image.shape[3])
    if shown[0] > size[0]:
        return View(resize(source.image, size), resize_pose(source.pose, shown, size))
    return source


def _proportion(source: View, size: tuple[int, int]) -> View:
    """Widen photos to the proportions of a size; they stay whole, in the middle."""
    height, width = source.image.shape[2], source.image.shape[3]
    high, wide = (
        max(height, round(width * size[0] / size[1])),
        max(width, round(height * size[1] / size[0])),
    )
    if high - height <= _MOST_PADDING * height and wide - width <= _MOST_PADDING * width:
        return source
    top, left = (high - height) // 2, (wide - width) // 2
    image = source.image.new_zeros(len(source.image), 3, high, wide)
    hole = torch.ones(len(image), high, wide, dtype=torch.bool, device=image.device)
    image[..., top : top + height, left : left + width] = source.image
    hole[:, top : top + height, left : left + width] = False
    moved = source.pose.joints + source.pose.joints.new_tensor([left, top])
    return View(fill_holes(image, hole), Pose(moved, source.pose.visible))


def _to_device(
    generator: Generator, source: View, targets: Pose, noise_seed: int | None
) -> tuple[View, Pose, Noise | None]:
    """Bring all to the generator's device, the source once per target."""
    device = next(generator.parameters()).device
    noise = None
    if noise_seed is not None:
        noise = Noise(torch.Generator(device).manual_seed(noise_seed))
    image, pose = source.image, source.pose
    if len(image) != len(targets):
        image, pose = image.expand(len(targets), -1, -1, -1), Pose.cat([pose] * len(targets))
    return View(image.to(device), pose.to(device)), targets.to(device), noise


def _check_shape(size: tuple[int, int]) -> None:
    low, high = ROWS
    if not (low <= size[0] <= high and size[0] / WIDEST <= size[1] <= size[0] * WIDEST):
        raise InputError(
            f"The size is {size[0]}x{size[1]} (height x width); pictures have {low} to {high} rows "
            f"and no side is more than {WIDEST} times the other."
        )


def _people(
    source: AnyPhoto | Sequence[AnyPhoto], pose: Pose | Sequence[Pose]
) -> list[tuple[AnyPhoto, Pose]]:
    """Pair photos with their poses."""
    photos = [source] if isinstance(source, np.ndarray | str | Path) else list(source)
    poses = [pose[[row]] for row in range(len(pose))] if isinstance(pose, Pose) else list(pose)
    if not photos or len(photos) != len(poses):
        raise InputError(
            f"{len(photos)} source photos have {len(poses)} poses; every photo needs one."
        )
    return list(zip(photos, poses, strict=True))


def _read(photo: AnyPhoto) -> Photo:
    return photo if isinstance(photo, np.ndarray) else read_photo(photo)


def to_image(photo: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "1 3 height width"]:
    """Turns a photo of bytes into a batch of one image in [-1, 1]."""
    return to_float(torch.from_numpy(photo).permute(2, 0, 1)[None])


def to_photo(image: Float[Tensor, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Turns an image in [-1, 1] into bytes, rounded to the nearest."""
    return to_bytes(image[None])[0].permute(1, 2, 0).cpu().numpy()


def _to_photos(
    pictures: UInt8[Tensor, "batch channels height width"],
) -> list[UInt8[np.ndarray, "height width channels"]]:
    return [picture.permute(1, 2, 0).cpu().numpy() for picture in pictures]
