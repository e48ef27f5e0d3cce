"""PoseTransfer: checkpoint + photo + pose -> picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.checkpoint import load_generator
from deformgan.errors import InputError
from deformgan.models.generator import Generator
from deformgan.models.layers import Layers
from deformgan.painting import paint, paint_layers
from deformgan.pixels import Photo, to_bytes, to_photos
from deformgan.pose import Pose
from deformgan.scene import cut_out, put_into
from deformgan.staging import AnyPhoto, Shown, Staging, read

_MOST_PASTED = 2048  # rows; a larger person is enlarged
_ROOM = 0.08  # of a framing, on every side, for hats and feet that would be cut off within a photo


class PoseTransfer:
    """Pose transfer: generates the photo of a person in another pose.

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
        self.staging = Staging(generator, self.size)

    @classmethod
    def load(
        cls,
        weights: str | Path = "pedestrian",
        device: str | torch.device = "cpu",
        background: bool = True,
    ) -> "PoseTransfer":
        """Load a checkpoint.

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
        """Whether pictures of any size and with any background are supported."""
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
        """Generate the person of a photo in another pose.

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
        """Generate the person of a photo in several poses, with the same framing.

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
            self.staging.check_size(size)
            scene = self.staging.frame_background(background, target_poses, target_size)
            view, targets = self.staging.frame(*people[0], target_poses, target_size)
            for first in range(0, len(targets), step):
                some = targets[first : first + step]
                yield from to_photos(paint(self.generator, view, some, None, noise_seed, scene))
            return
        shown = self.staging.show_all(people, target_poses, target_size, size)
        behind = self.staging.scene(background, shown[0], target_size)
        for first in range(0, len(target_poses), step):
            layers = self._layers(shown, slice(first, first + step), noise_seed)
            if behind is None:
                yield from to_photos(cut_out(layers.person, layers.matte))
            elif isinstance(behind, str):
                yield from to_photos(to_bytes(layers.picture))
            else:
                yield from to_photos(to_bytes(layers.over(behind)))

    def paste(
        self,
        source: AnyPhoto | Sequence[AnyPhoto],
        source_pose: Pose | Sequence[Pose],
        target_pose: Pose,
        into: AnyPhoto | None = None,
        noise_seed: int | None = None,
        target_size: tuple[int, int] | None = None,
    ) -> Photo:
        """Generate the person of a photo in another pose, and paste them into a whole photo.

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
        other = None if into is None else read(into)
        if other is not None:
            target_size = (other.shape[0], other.shape[1])
        people = _people(source, source_pose)
        shown = self.staging.show(*people[0], target_pose, target_size, self.size, _ROOM)
        place = self.staging.place(shown) if other is None else shown.target_framing
        box = place.whole_pixels()
        rows, columns = box.size
        shrink = min(1.0, _MOST_PASTED / max(box.size))
        size = (max(1, round(rows * shrink)), max(1, round(columns * shrink)))
        everything = self.staging.show_all(people, target_pose, target_size, size, _ROOM)
        layers = self._layers(everything, slice(0, 1), noise_seed)
        if other is None:
            emptied = self.staging.empty(shown.photo, shown.photo_pose)
        else:
            emptied = self.staging.empty(other, target_pose)
        return put_into(emptied, to_photos(cut_out(layers.person, layers.matte))[0], box)

    def _layers(self, shown: Sequence[Shown], frames: slice, noise_seed: int | None) -> Layers:
        """Generate frames from every photo, and combine their layers."""
        views = [one.view for one in shown]
        first = shown[0]
        return paint_layers(self.generator, views, first.targets[frames], first.size, noise_seed)


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
