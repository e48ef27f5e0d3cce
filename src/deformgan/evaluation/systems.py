"""Systems: sources of pictures for an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator, weights_sum
from deformgan.errors import InputError
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.pictures import empty_photos
from deformgan.files import write_image
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float

Scene = Literal["paint", "source"]


@dataclass
class Pictures:
    """A system's pictures of a batch of pairs.

    Attributes:
        by_row: 8-bit RGB pictures by index of the pair in the list.
        were_jpeg: Indices of pictures that were read from JPEG files.
        problems: One sentence per problem, including those of valid pictures.
    """

    by_row: dict[int, UInt8[Tensor, "3 height width"]] = field(default_factory=dict)
    were_jpeg: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


@runtime_checkable
class System(Protocol):
    """A source of one picture per pair."""

    def describe(self) -> dict[str, Any]:
        """Return a JSON description of the system, for reports."""
        ...

    def stamp(self) -> str:
        """Return a string that changes with the pictures, even if `describe` does not."""
        ...

    def pictures(self, photos: PairPhotos, rows: Sequence[int]) -> Pictures:
        """Return the pictures of some pairs.

        Args:
            photos: The pairs.
            rows: Indices of pairs in the list, whose target photos have the same size.
        """
        ...


class Weights:
    """A system that generates pictures with our own generator.

    Args:
        generator: Generator in evaluation mode, on its device.
        size: (height, width) that it was trained for.
        described: Description of the system for reports.
        save: Folder to save pictures to as `<from>__<to>.png`; None to save none.
        scene: What is behind the person: "paint", the scene as generated, or "source", that of the
            source photo without its person, which needs layers.
    """

    def __init__(
        self,
        generator: Generator,
        size: tuple[int, int],
        described: dict[str, Any],
        save: Path | None = None,
        scene: Scene = "paint",
    ):
        if scene != "paint" and generator.config.layers is None:
            raise InputError("These weights generate the scene themselves; use background=paint.")
        self.generator = generator
        self.size = size
        self.described = described
        self.save = save
        self.scene = scene

    @staticmethod
    def load(
        weights: str, device: str = "cpu", save: Path | None = None, scene: Scene = "paint"
    ) -> "Weights":
        """Load a generator.

        Args:
            weights: Name of bundled weights, or .safetensors file.
            device: Device to generate on.
            save: As in the constructor.
            scene: As in the constructor.
        """
        generator, metadata = load_generator(weights, device)
        if "size" not in metadata:
            raise InputError(f"The metadata of the weights {weights} lack the image size.")
        height, width = metadata["size"]
        described = {"weights": weights, "sha256": weights_sum(weights), "metadata": metadata}
        if scene != "paint":
            described["background"] = scene
        if save is not None:
            described["generated"] = str(save)  # where `compare` finds the pictures
        return Weights(generator, (height, width), described, save, scene)

    def describe(self) -> dict[str, Any]:
        """Return the description of the system."""
        return self.described

    def stamp(self) -> str:
        """Return the SHA-256 of the weights."""
        return str(self.described["sha256"])

    def pictures(self, photos: PairPhotos, rows: Sequence[int]) -> Pictures:
        """Generate the pictures; without layers, photos must have the generator's size."""
        layered = self.generator.config.layers is not None
        for row in rows:
            if not layered and photos.sizes[row] != self.size:
                found, wanted = (f"{h}x{w}" for h, w in (photos.sizes[row], self.size))
                raise InputError(
                    f"{photos.folder / photos.pairs[row][1]} is {found} pixels (height x width); "
                    f"these weights need photos of {wanted} pixels."
                )
        found = Pictures()
        size = photos.sizes[rows[0]]
        for some in photos.of_one_source_size(rows) if layered else [rows]:
            images, poses = photos.sources(some), photos.source_poses(some)
            background = None
            if self.scene == "source":
                background = empty_photos(self.generator, self.size, images, poses, size)
            painted = paint(
                self.generator,
                View(to_float(images), poses),
                photos.target_poses(some),
                size,
                background=background,
            )
            found.by_row.update(zip(some, painted, strict=True))
        if self.save is not None:
            for row, picture in found.by_row.items():
                save_picture(picture, self.save / picture_name(*photos.pairs[row]))
        return found


def picture_name(source: str, target: str) -> str:
    """Return the file name of a generated picture, from both photos' names without extensions."""
    return f"{Path(source).stem}__{Path(target).stem}.png"


def save_picture(picture: UInt8[Tensor, "3 height width"], path: Path) -> None:
    """Write a picture atomically to an existing folder."""
    image = Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))
    write_image(path, image, format="PNG")
