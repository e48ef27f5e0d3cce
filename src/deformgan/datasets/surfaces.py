"""Surfaces: for every pixel of a rendered picture, its position on the body at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from deformgan.errors import InputError
from deformgan.files import written_beside

SURFACES = "surfaces"  # folder, beside those of masks and backgrounds
NOTHING = 255  # layer of pixels that show no surface of the body
FACE = 254  # layer of faces: for people the bare skin, for animals the whole head


@dataclass(frozen=True)
class Surface:
    """The surface at every pixel centre.

    Attributes:
        place: Position on the body at rest, in metres; 0 if the pixel shows no body. Left and right
            legs are moved apart, so that no position on one is near the other. The second axis is
            the one along which the body is seen through when matching: front to back for people,
            side to side for animals.
        layer: Layer of clothes or skin, `FACE`, or `NOTHING`.
    """

    place: Float[Tensor, "3 height width"]
    layer: UInt8[Tensor, "height width"]


@dataclass(frozen=True)
class SurfaceSet:
    """The surfaces of many pictures.

    Attributes:
        place: See `Surface`, in half precision.
        layer: See `Surface`.
    """

    place: Float16[Tensor, "images 3 height width"]
    layer: UInt8[Tensor, "images height width"]

    def __getitem__(self, row: int) -> Surface:
        return Surface(self.place[row].float(), self.layer[row])

    @staticmethod
    def read(paths: Sequence[Path], size: tuple[int, int]) -> "SurfaceSet":
        """Read the surfaces of pictures that all have the given height and width."""
        # Read into preallocated tensors, so that a large set is never in memory twice.
        place = torch.empty(len(paths), 3, *size, dtype=torch.float16)
        layer = torch.empty(len(paths), *size, dtype=torch.uint8)
        for row, path in enumerate(paths):
            surface = read_surface(path)
            own = tuple(surface.layer.shape)
            if own != size:
                raise InputError(
                    f"{path} is a surface of {own[0]}x{own[1]} pixels, but the images are read at "
                    f"{size[0]}x{size[1]}; read them at their own size."
                )
            place[row], layer[row] = surface.place, surface.layer
        return SurfaceSet(place, layer)


def write_surface(
    path: Path, place: Float[Tensor, "3 height width"], layer: UInt8[Tensor, "height width"]
) -> None:
    """Write a compressed `.npz` atomically: `place` (height, width, 3) as float16, and `layer`.

    Half precision is accurate to 0.5 mm within a metre of the origin.
    """
    with written_beside(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file, place=place.permute(1, 2, 0).numpy().astype(np.float16), layer=layer.numpy()
        )


def read_surface(path: Path) -> Surface:
    """Read a file written by `write_surface`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            place, layer = arrays["place"], arrays["layer"]
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; render the set again, or remove the folder."
        ) from None
    except Exception as error:  # NumPy raises many types of errors for broken archives
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a surface of a rendered picture ({reason}).") from None
    if place.dtype != np.float16 or place.shape != (*layer.shape, 3) or layer.dtype != np.uint8:
        raise InputError(
            f"{path} has place {place.dtype} {place.shape} and layer {layer.dtype} {layer.shape}; "
            "a surface is float16 (height, width, 3) and uint8 (height, width)."
        )
    return Surface(
        torch.from_numpy(place.astype(np.float32)).permute(2, 0, 1), torch.from_numpy(layer)
    )
