"""Augmenter: who makes more photos of the people to learn from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from deformgan.reid.training_photos import TrainingPhotos


@runtime_checkable
class Augmenter(Protocol):
    """Gives generated photos of real ones."""

    def describe(self) -> dict[str, Any]:
        """Tells all that its photos depend on, as JSON has it."""
        ...

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """Gives generated photos of chosen real ones.

        Args:
            kept: Real photos.
            count: How many to make of each; where that cannot be, fewer.
            seed: Of everything drawn. A photo's pictures depend on it and on the photo, not on what
                else is kept, and the first ones are the same for any count.
        """
        ...


def as_generated(
    kept: TrainingPhotos,
    rows: Int64[Tensor, "generated"],
    numbers: Sequence[int],
    images: UInt8[Tensor, "generated 3 height width"],
) -> TrainingPhotos:
    """Files pictures under the people of the photos that they were made of.

    Args:
        kept: Those photos.
        rows: Which of them each picture is of.
        numbers: Which picture of its photo each one is, from 1.
        images: The pictures.
    """
    return TrainingPhotos(
        names=[
            f"{Path(kept.names[row]).stem}g{number}.jpg"
            for row, number in zip(rows.tolist(), numbers, strict=True)
        ],
        images=images,
        classes=kept.classes[rows],
        cameras=kept.cameras[rows],
        generated=torch.ones(len(rows), dtype=torch.bool),
        soft=torch.zeros(len(rows), dtype=torch.bool),
    )


def generator_of(*what: object) -> torch.Generator:
    """Gives random numbers that depend on what is named here alone."""
    digest = hashlib.sha256("/".join(map(str, what)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def draw_uniform(names: Sequence[str], number: int, seed: int, count: int) -> Float[Tensor, "_ _"]:
    """Draws numbers in [0, 1) for the same picture of every photo.

    Args:
        names: Of the photos.
        number: Which picture of each.
        seed: Of the draws.
        count: How many numbers for a picture.
    """
    return torch.stack(
        [torch.rand(count, generator=generator_of(seed, name, number)) for name in names]
    )
