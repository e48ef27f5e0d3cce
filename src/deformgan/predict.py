"""PoseTransfer: checkpoint + photo + pose -> picture."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.device import choose_precision, find_device
from deformgan.errors import InputError
from deformgan.framing import is_framed
from deformgan.inputs import (
    AnyDetector,
    AnyPhoto,
    AnyPose,
    PosedPhoto,
    Progress,
    load_photo,
    no_progress,
    read_frames,
    read_source,
    read_target,
)
from deformgan.models.blocks import to_bfloat16
from deformgan.models.generator import Encoded, Generator
from deformgan.motion import MOST_SMOOTH, follow, steady
from deformgan.painting import encode, paint, paint_layers
from deformgan.picture_metadata import PictureMetadata
from deformgan.pixels import Photo, to_bytes, to_photos
from deformgan.pose import Pose, Skeleton
from deformgan.scene import Background, cut_out, put_into, read_background
from deformgan.staging import Shown, Source, Staging

AnySource = AnyPhoto | PosedPhoto | Sequence[AnyPhoto | PosedPhoto]
AnyBackground = str | Path | Image.Image | np.ndarray

_MOST_PASTED = 2048  # rows; a larger person is enlarged
_ROOM = 0.08  # of a framing, on every side, for hats and feet that would be cut off within a photo


class PoseTransfer:
    """Generates photos of a person in new poses.

        transfer = PoseTransfer.from_pretrained("pedestrian")
        picture = transfer("me.jpg", pose="dance.jpg")
        for frame in transfer.animate("me.jpg", "walk.mp4"):
            ...
        me = transfer.read("me.jpg")  # once; its poses below cost less
        picture, other = transfer(me, "dance.jpg"), transfer(me, "jump.jpg")

    `__call__`, `animate` and `paste` accept photos and poses in any form (see `inputs`), detect
    what is not given and return PIL images. `generate`, `generate_pairs` and `generate_into` do the
    same with known poses and return arrays.

    Args:
        generator: A trained generator in evaluation mode.
        size: Height and width of the images it was trained on.
        detector: Pose detector for photos, or its name, see `load_detector`.
        metadata: What files of its pictures can state.

    Attributes:
        size: Height and width at which the generator works: photos of exactly this size are used
            whole, in others the person is framed first. A generator with layers generates pictures
            of any size, but examines photos at this one.
        metadata: What a file of a picture can state: that it is generated, by what and on whose
            terms. `picture.save(path, **transfer.metadata.save_options(path))` writes it.
    """

    def __init__(
        self,
        generator: Generator,
        size: tuple[int, int],
        detector: AnyDetector = "pose18",
        metadata: PictureMetadata = PictureMetadata(),
    ):
        self.generator = generator
        self.size = size
        self.detector = detector
        self.metadata = metadata
        if (layers := generator.config.layers) is not None:
            self.size = (layers.rows, round(layers.rows * size[1] / size[0]))
        self.staging = Staging(generator, self.size)

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "pedestrian",
        device: str | torch.device = "auto",
        *,
        detector: AnyDetector = "pose18",
        background: bool = True,
        precision: str = "float32",
    ) -> "PoseTransfer":
        """Load bundled or own weights.

        Args:
            weights: Name of bundled weights, path of a .safetensors file, or hf://OWNER/NAME for a
                repository on the Hugging Face hub with a file generator.safetensors (needs the
                extra `hub`); hf://OWNER/NAME/FILE.safetensors for another file, and @REVISION
                behind either for a branch, tag or commit.
            device: "auto" for a GPU if there is one, else the CPU; or a name that torch knows.
            detector: Pose detector for photos, or its name.
            background: Allow background-conditioned weights, which need `background=` in every
                call.
            precision: Precision of convolutions: "float32"; "bfloat16", whose pictures differ by
                0.1 grey levels on average; or "auto" for bfloat16 where the device has units for
                it.

        Raises:
            InputError: If there are no such weights, no such device or no such precision.
        """
        device = find_device(device)
        precision = choose_precision(precision, device)
        generator, metadata = load_generator(weights, device, background)
        if "size" not in metadata:
            raise InputError(f"The metadata of the weights {weights} lack the image size.")
        if precision == "bfloat16":
            to_bfloat16(generator)
        height, width = metadata["size"]
        return cls(generator, (height, width), detector, PictureMetadata.of(weights, metadata))

    @property
    def layered(self) -> bool:
        """Whether pictures can have any size and any background."""
        return self.generator.config.layers is not None

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of the poses."""
        return self.generator.skeleton

    def read(
        self,
        source: AnySource,
        *,
        source_pose: str | Path | Pose | None = None,
        person: int = 0,
    ) -> list[Source]:
        """Read photos of a person once, to generate many pictures from them.

        What the photos alone determine is computed for the first picture and kept for the next:
        pass the result as `source` or `people`.

        Args:
            source: See `__call__`.
            source_pose: See `__call__`.
            person: See `__call__`.

        Raises:
            InputError: If a photo cannot be read or nobody is found in it.
        """
        return [Source.of(photo) for photo in self._read_people(source, source_pose, person)]

    def __call__(
        self,
        source: AnySource,
        pose: AnyPose,
        *,
        source_pose: str | Path | Pose | None = None,
        person: int = 0,
        pose_person: int = 0,
        size: tuple[int, int] | int | None = None,
        background: AnyBackground | None = None,
        noise_seed: int | None = None,
    ) -> Image.Image:
        """Generate the photo of a person in a new pose.

        Args:
            source: Photo of the person, or what `read` returned for it. For weights with layers
                also a list of photos of the *same* person: every surface is copied from the photo
                that shows it best; the first one determines scene and place. For different people,
                call once per photo.
            pose: One target pose. The picture is framed like the photo that the pose is from, and
                with layers ends where that photo's edge cuts off head or feet.
            source_pose: Pose of the source person in pixels of the photo (of several photos, a
                batch with one each); by default it is detected.
            person: Index of the source person by size; 0 is the largest.
            pose_person: Index of the person in the pose photo by size; in a pose file 0 is the
                largest and higher numbers follow the file's order.
            size: (height, width) of the picture, or the height alone; by default that of the
                person in the source photo, from 128 to 1,024 rows. Without layers only the
                generator's own size.
            background: What is behind the person. "paint": the scene as generated. "source": the
                scene of the source photo without its person. "none": transparent. "#rrggbb": a
                colour. Or a photo: one with the size of the pose photo is cropped like it, of any
                other the centre is used. By default "paint" for a source photo of exactly
                `self.size`, "source" for any other size: set it for a data set. Without layers only
                "paint"; background-conditioned weights require a photo.
            noise_seed: Keep dropout active, with noise from this seed.

        Returns:
            RGB, or RGBA for the background "none".

        Raises:
            InputError: If a photo cannot be read, nobody is found in it, a pose lacks the torso, or
                the generator does not support what is asked for.
        """
        people = self._read_people(source, source_pose, person)
        target = self.read_pose(pose, pose_person)
        if len(target.pose) != 1:
            raise InputError(
                f"pose= has {len(target.pose)} poses, but a picture has one: use animate."
            )
        (picture,) = self.generate(
            people, target, size=size, background=background, noise_seed=noise_seed
        )
        return Image.fromarray(picture)

    def read_pose(self, pose: AnyPose, person: int = 0) -> PosedPhoto:
        """Read or detect a target pose once, to use it for many photos.

        Args:
            pose: Target pose in any form, see `__call__`.
            person: See `pose_person` of `__call__`.

        Returns:
            The pose with the photo it is from, accepted wherever a pose is.

        Raises:
            InputError: See `__call__`.
        """
        return read_target(pose, self.detector, person, self.skeleton)

    def animate(
        self,
        source: AnySource,
        poses: str | Path | Pose | PosedPhoto,
        *,
        source_pose: str | Path | Pose | None = None,
        person: int = 0,
        smooth: float = 1.0,
        size: tuple[int, int] | int | None = None,
        background: AnyBackground | None = None,
        noise_seed: int | None = None,
        batch_size: int = 8,
        progress: Progress = no_progress,
    ) -> Iterator[Image.Image]:
        """Generate the frames of a person who moves like somebody else.

        Args:
            source: See `__call__`.
            poses: The motion: a video, "-" for a video on standard input or "camera:N" (these need
                the extra `video`), a folder of photos or pose files, a pose file with one pose per
                frame, or poses.
            source_pose: See `__call__`.
            person: See `__call__`.
            smooth: Strength of smoothing, from 0 (none) to 10; 1 removes the jitter of a detector.
            size: See `__call__`.
            background: See `__call__`.
            noise_seed: See `__call__`; all frames get the same noise.
            batch_size: Frames computed at once.
            progress: Called with the frames in which poses are detected, a label and their number;
                returns an iterator over the frames.

        Yields:
            One picture per usable frame, all framed alike.

        Raises:
            InputError: See `__call__`; also if no frame has a usable pose.
        """
        people = self._read_people(source, source_pose, person)
        if isinstance(poses, str | Path):
            seen = read_frames(poses, self.detector, self.skeleton, progress)
        else:
            seen = poses if isinstance(poses, PosedPhoto) else PosedPhoto(poses, None)
        frames = self.generate(
            people,
            self.stabilize(seen, smooth),
            size=size,
            background=background,
            noise_seed=noise_seed,
            batch_size=batch_size,
        )
        yield from map(Image.fromarray, frames)

    def paste(
        self,
        source: AnySource,
        pose: AnyPose,
        *,
        source_pose: str | Path | Pose | None = None,
        person: int = 0,
        pose_person: int = 0,
        noise_seed: int | None = None,
    ) -> Image.Image:
        """Paste a person in a new pose into a whole photo.

        Args:
            source: See `__call__`.
            pose: Target pose. If it is a photo, the person is pasted into it, replacing the person
                there; otherwise into the source photo, where the person stood.
            source_pose: See `__call__`.
            person: See `__call__`.
            pose_person: See `__call__`.
            noise_seed: See `__call__`.

        Returns:
            RGB of the photo's size; only pixels near the person before and after change.

        Raises:
            InputError: See `__call__`; also without layers.
        """
        people = self._read_people(source, source_pose, person)
        target = self.read_pose(pose, pose_person)
        return Image.fromarray(self.generate_into(people, target, noise_seed=noise_seed))

    def stabilize(self, frames: PosedPhoto, smooth: float = 1.0) -> PosedPhoto:
        """Fill and smooth the poses of an animation, and follow a person who crosses the photo.

        Args:
            frames: Poses as detected.
            smooth: See `animate`.

        Returns:
            The usable frames. A video keeps all frames, and so its time: those without a usable
            pose hold their neighbour's.

        Raises:
            InputError: If there are none.
        """
        if not 0 <= smooth <= MOST_SMOOTH:
            raise InputError(f"smooth= is {smooth:g}; it must be from 0 to {MOST_SMOOTH:g}.")
        poses = steady(frames.pose, self.skeleton, smooth, keep_time=frames.fps is not None)
        if not len(poses):
            raise InputError(f"None of the {len(frames.pose)} frames has a usable pose.")
        if not is_framed(poses, frames.size, self.size):
            poses = follow(poses, self.skeleton)
        return PosedPhoto(poses, frames.size, fps=frames.fps)

    def generate(
        self,
        people: Sequence[PosedPhoto],
        target: PosedPhoto,
        *,
        size: tuple[int, int] | int | None = None,
        background: AnyBackground | None = None,
        noise_seed: int | None = None,
        batch_size: int = 8,
    ) -> Iterator[UInt8[np.ndarray, "rows columns channels"]]:
        """Generate pictures from known poses.

        Args:
            people: Photos of one person with their poses; without layers exactly one.
            target: Target poses, one or the frames of an animation, all framed alike.
            size: See `__call__`.
            background: See `__call__`.
            noise_seed: See `__call__`; all frames get the same noise.
            batch_size: Frames computed at once.

        Yields:
            One picture per pose: RGB, or RGBA with straight alpha for the background "none".
        """
        # Noise is drawn per item: one by one, each with the seed anew, all frames get the same.
        step = batch_size if noise_seed is None else 1
        staged = self._stage(people, target, size, _open_background(background))
        for first in range(0, len(staged.targets), step):
            some = replace(staged, targets=staged.targets[first : first + step])
            yield from self._paint(some, noise_seed)

    def generate_pairs(
        self,
        pairs: Iterable[tuple[Sequence[PosedPhoto], PosedPhoto]],
        *,
        size: tuple[int, int] | int | None = None,
        background: AnyBackground | None = None,
        batch_size: int = 8,
    ) -> Iterator[UInt8[np.ndarray, "rows columns channels"]]:
        """Generate a picture for each pair of a person and a target pose, several at once.

        Neighbours in a batch are computed together if their photos, as shown to the generator, and
        their pictures have the same sizes.

        Args:
            pairs: Photos of a person with their poses (see `generate`), and one target pose.
            size: See `__call__`.
            background: See `__call__`.
            batch_size: Pairs read and computed at once.

        Yields:
            One picture per pair, in their order.
        """
        wanted, remaining = _open_background(background), iter(pairs)
        while some := list(islice(remaining, batch_size)):
            staged = (self._stage(people, target, size, wanted) for people, target in some)
            for _, alike in groupby(staged, key=_Staged.shape):
                yield from self._paint(_Staged.cat(list(alike)))

    def generate_into(
        self,
        people: Sequence[PosedPhoto],
        target: PosedPhoto,
        *,
        noise_seed: int | None = None,
    ) -> Photo:
        """Generate a person from a known pose into a whole photo.

        Args:
            people: See `generate`.
            target: One pose. With its photo, the person is pasted into that; without, into the
                (first) source photo.
            noise_seed: See `__call__`.

        Returns:
            RGB of the size of that photo.
        """
        if not self.layered:
            raise InputError("Pasting needs weights with layers.")
        shown = self.staging.show(people[0], target, self.size, _ROOM)
        place = self.staging.place(shown) if target.photo is None else shown.target_framing
        box = place.whole_pixels()
        rows, columns = box.size
        shrink = min(1.0, _MOST_PASTED / max(box.size))
        size = (max(1, round(rows * shrink)), max(1, round(columns * shrink)))
        # Into the photo of the pose: what hides a leg there is seen.
        everything = self.staging.show_all(people, target, size, _ROOM, hidden=target.photo is None)
        encoded = [self.encode(one, scene=False) for one in everything]
        targets = everything[0].targets[:1]
        layers = paint_layers(self.generator, encoded, targets, everything[0].size, noise_seed)
        if target.photo is None:
            emptied = self.staging.empty_source(shown.source)
        else:
            emptied = self.staging.empty(target.photo, target.pose)
        return put_into(emptied, to_photos(cut_out(layers.person, layers.matte))[0], box)

    def _stage(
        self,
        people: Sequence[PosedPhoto],
        target: PosedPhoto,
        size: tuple[int, int] | int | None,
        background: Background | None,
    ) -> "_Staged":
        if self.layered:
            uncut, kept = self.staging.uncut_size(target, size)
            # A background of the pose photo's size is framed like it.
            alone = not (isinstance(background, np.ndarray) and background.shape[:2] == target.size)
            shown = self.staging.show_all(people, target, uncut, hidden=alone)
            behind = self.staging.scene(background, shown[0], target.size)
            encoded = [self.encode(one, behind == "paint") for one in shown]
            whole = shown[0].size
            first, last = (round(row * whole[0]) for row in kept)
            if size is not None:  # exactly as many rows, whatever was rounded
                last = first + (size if isinstance(size, int) else size[0])
                first, last = (row - max(0, last - whole[0]) for row in (first, last))
            return _Staged(encoded, shown[0].targets, whole, behind, (first, last))
        if len(people) > 1:
            raise InputError(
                f"{len(people)} source photos are given, but these weights support only one; "
                "use weights with layers."
            )
        self.staging.check_size(size)
        scene = self.staging.frame_background(background, target)
        view, targets = self.staging.frame(people[0], target)
        encoded = Source.of(people[0]).keep("encoded", self, lambda: encode(self.generator, view))
        return _Staged([encoded], targets, self.size, scene)

    def encode(self, shown: Shown, scene: bool) -> Encoded:
        """Encode a photo as it is shown to a generator with layers, unless it was the last time.

        Args:
            shown: The photo.
            scene: Whether the generator is to paint the scene as well.
        """
        key = (self, shown.seen, scene)
        return shown.source.keep("encoded", key, lambda: encode(self.generator, shown.view, scene))

    def _paint(
        self, staged: "_Staged", noise_seed: int | None = None
    ) -> list[UInt8[np.ndarray, "rows columns channels"]]:
        encoded, targets, behind = staged.encoded, staged.targets, staged.behind
        if not self.layered:
            assert not isinstance(behind, str)
            return to_photos(paint(self.generator, encoded[0], targets, None, noise_seed, behind))
        layers = paint_layers(self.generator, encoded, targets, staged.size, noise_seed)
        if behind is None:
            picture = cut_out(layers.person, layers.matte)
        elif isinstance(behind, str):
            picture = to_bytes(layers.picture)
        else:
            picture = to_bytes(layers.over(behind))
        return to_photos(picture if staged.rows is None else picture[:, :, slice(*staged.rows)])

    def _read_people(
        self,
        source: AnySource,
        pose: str | Path | Pose | None,
        person: int,
    ) -> list[PosedPhoto]:
        single = isinstance(source, str | Path | Image.Image | np.ndarray | PosedPhoto)
        photos = [source] if single else list(source)
        poses: list[str | Path | Pose | None] = [pose] * len(photos)
        if isinstance(pose, Pose):
            poses = [pose[[row]] for row in range(len(pose))]
        elif pose is not None and len(photos) > 1:
            raise InputError(f"{len(photos)} source photos need one pose each, got {pose}.")
        if not photos or len(photos) != len(poses):
            raise InputError(
                f"{len(photos)} source photos have {len(poses)} poses; every photo needs one."
            )
        if pose is not None and any(isinstance(photo, PosedPhoto) for photo in photos):
            raise InputError("The source photo already has its pose; remove source_pose=.")
        return [
            photo
            if isinstance(photo, PosedPhoto)
            else read_source(photo, its_pose, self.detector, person, self.skeleton)
            for photo, its_pose in zip(photos, poses, strict=True)
        ]


@dataclass(frozen=True)
class _Staged:
    """One person and target poses, or a batch of people with one pose each, for the generator.

    Attributes:
        encoded: The photos of every person: first ones, second ones, ...
        targets: In pixels of the pictures.
        size: Height and width of the pictures, before they are cut.
        behind: See `Staging.scene`; without layers, see `Staging.frame_background`.
        rows: First row, and the row after the last, that remain of the pictures; None for all.
    """

    encoded: list[Encoded]
    targets: Pose
    size: tuple[int, int]
    behind: Tensor | str | None
    rows: tuple[int, int] | None = None

    def shape(self) -> tuple:
        """Return everything that must be equal to be computed in one batch."""
        behind = self.behind if self.behind is None or isinstance(self.behind, str) else "image"
        return (*(one.photo.shape for one in self.encoded), self.size, behind, self.rows)

    @staticmethod
    def cat(batch: Sequence["_Staged"]) -> "_Staged":
        """Concatenate people with one target pose each."""
        scenes = [one.behind for one in batch if isinstance(one.behind, Tensor)]
        return _Staged(
            [Encoded.cat(photos) for photos in zip(*(one.encoded for one in batch), strict=True)],
            Pose.cat([one.targets for one in batch]),
            batch[0].size,
            torch.cat(scenes) if scenes else batch[0].behind,
            batch[0].rows,
        )


def _open_background(background: AnyBackground | None) -> Background | None:
    if isinstance(background, Image.Image | np.ndarray):
        return load_photo(background)
    return read_background(background)
