"""Entry: how generated photos enter the training of a Re-ID network."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.sampler import PhotoSampler
from deformgan.reid.training_photos import TrainingPhotos

_MAIN, _ADDED = 1, 3  # random streams; 2 is that of the changes to images

NONE = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class StepRows:
    """The photos of one step, as rows of the training photos.

    Attributes:
        batch: The batch proper, with all loss terms.
        added: Generated photos beside it, with the identity loss only; often empty.
        weight: Weight of the loss on `added`.
    """

    batch: Int64[Tensor, "batch"]
    added: Int64[Tensor, "added"] = field(default_factory=NONE.clone)
    weight: float = 1.0


@runtime_checkable
class Entry(Protocol):
    """A way to train on real and generated photos."""

    def rows(self, step: int) -> StepRows:
        """Return the photos of a step, counted from 0; a pure function of seed and step."""
        ...


def sample_batch(
    config: BaselineConfig, photos: TrainingPhotos, rows: Int64[Tensor, "_"]
) -> PhotoSampler:
    """Return the sampler of the batch proper, from some of the photos.

    The same real photos are drawn in the same order, whatever generated ones follow them.
    """
    return PhotoSampler(
        photos.classes, rows, config.batch_size, config.photos, seed=config.seed, stream=_MAIN
    )


def sample_added(config: BaselineConfig, photos: TrainingPhotos) -> PhotoSampler | None:
    """Return the sampler of generated photos beside the batch; None if there are none."""
    rows = photos.generated.nonzero()[:, 0]
    if not len(rows):
        return None
    return PhotoSampler(photos.classes, rows, config.added, seed=config.seed, stream=_ADDED)


def real_rows(photos: TrainingPhotos) -> Int64[Tensor, "real"]:
    """Return the rows of the real photos."""
    return (~photos.generated).nonzero()[:, 0]
