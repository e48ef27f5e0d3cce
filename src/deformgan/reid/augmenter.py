"""Augmenter: interface for sources of additional training photos."""

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
    """A source of generated photos for real ones."""

    def describe(self) -> dict[str, Any]:
        """Return everything the photos depend on, JSON-serializable."""
        ...

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """Return generated photos for the given real ones.

        Args:
            kept: Real photos.
            count: Generated photos per real photo; fewer where that is impossible.
            seed: Random seed. A photo's generated images depend only on the seed and the photo, not
                on the other kept photos, and a larger count only appends to them.
        """
        ...


def as_generated(
    kept: TrainingPhotos,
    rows: Int64[Tensor, "generated"],
    numbers: Sequence[int],
    images: UInt8[Tensor, "generated 3 height width"],
) -> TrainingPhotos:
    """Label generated images with the identities and cameras of their source photos.

    Args:
        kept: Source photos.
        rows: Row of each image's source in `kept`.
        numbers: Number of each image among those of its source, from 1.
        images: Generated images.
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
    """Return a random generator seeded by the arguments alone."""
    digest = hashlib.sha256("/".join(map(str, what)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def draw_uniform(names: Sequence[str], number: int, seed: int, count: int) -> Float[Tensor, "_ _"]:
    """Draw uniform numbers in [0, 1) for one generated image of every photo.

    Args:
        names: File names of the photos.
        number: Number of the generated image, from 1.
        seed: Random seed.
        count: Numbers per image.
    """
    return torch.stack(
        [torch.rand(count, generator=generator_of(seed, name, number)) for name in names]
    )
