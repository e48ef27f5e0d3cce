"""Systems: where the pictures that are scored come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator, weights_sum
from deformgan.errors import InputError
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float


@dataclass
class Pictures:
    """What a system gave for some pairs.

    Attributes:
        by_row: RGB bytes (3, height, width) by the pair's position in the list.
        were_jpeg: Which of them were read from JPEG files.
        problems: A sentence for everything that was wrong, also where a picture could be had.
    """

    by_row: dict[int, UInt8[Tensor, "3 height width"]] = field(default_factory=dict)
    were_jpeg: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


@runtime_checkable
class System(Protocol):
    """Gives one picture per pair."""

    def describe(self) -> dict[str, Any]:
        """Tells all that its pictures depend on, as JSON has it."""
        ...

    def stamp(self) -> str:
        """Changes when the pictures may have, also where `describe` does not."""
        ...

    def pictures(self, photos: PairPhotos, rows: Sequence[int]) -> Pictures:
        """Gives the pictures of some pairs.

        Args:
            photos: The pairs.
            rows: Positions in the list; their target photos are of one size.
        """
        ...


class Weights:
    """Our own generator, which paints the pictures.

    Args:
        generator: In evaluation mode, on its device.
        size: (height, width) that it was trained for.
        described: What to call it in a report.
        save: A folder for the pictures as `<from>__<to>.png`; None to keep none.
    """

    def __init__(
        self,
        generator: Generator,
        size: tuple[int, int],
        described: dict[str, Any],
        save: Path | None = None,
    ):
        self.generator = generator
        self.size = size
        self.described = described
        self.save = save

    @staticmethod
    def load(weights: str, device: str = "cpu", save: Path | None = None) -> "Weights":
        """Reads weights.

        Args:
            weights: Bundled name or .safetensors file.
            device: Where to paint.
            save: As in the constructor.
        """
        generator, metadata = load_generator(weights, device)
        if "size" not in metadata:
            raise InputError(f"The metadata of the weights {weights} lack the image size.")
        height, width = metadata["size"]
        described = {"weights": weights, "sha256": weights_sum(weights), "metadata": metadata}
        if save is not None:
            described["generated"] = str(save)  # where `compare` finds the pictures
        return Weights(generator, (height, width), described, save)

    def describe(self) -> dict[str, Any]:
        """See `System`."""
        return self.described

    def stamp(self) -> str:
        """See `System`."""
        return str(self.described["sha256"])

    def pictures(self, photos: PairPhotos, rows: Sequence[int]) -> Pictures:
        """See `System`; without layers a photo of another size than the generator's is an error."""
        layered = self.generator.config.layers is not None
        for row in rows:
            if not layered and photos.sizes[row] != self.size:
                found, wanted = (f"{h}x{w}" for h, w in (photos.sizes[row], self.size))
                raise InputError(
                    f"{photos.folder / photos.pairs[row][1]} is {found} pixels (height x width); "
                    f"these weights paint {wanted}, and the photos must be of that size."
                )
        found = Pictures()
        size = photos.sizes[rows[0]]
        for some in photos.of_one_source_size(rows) if layered else [rows]:
            source = View(to_float(photos.sources(some)), photos.source_poses(some))
            painted = paint(self.generator, source, photos.target_poses(some), size)
            found.by_row.update(zip(some, painted, strict=True))
        if self.save is not None:
            for row, picture in found.by_row.items():
                save_picture(picture, self.save / picture_name(*photos.pairs[row]))
        return found


def picture_name(source: str, target: str) -> str:
    """Gives the name that a generated picture has: both photos', without extensions."""
    return f"{Path(source).stem}__{Path(target).stem}.png"


def save_picture(picture: UInt8[Tensor, "3 height width"], path: Path) -> None:
    """Writes a picture, whole or not at all; the folder exists."""
    beside = path.with_name(f".{path.name}")
    image = Image.fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))
    image.save(beside, format="PNG")
    beside.replace(path)
