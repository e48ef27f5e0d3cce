"""Training batches of people, a pure function of (seed, step)."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.entries.entry import Entry, StepRows
from deformgan.reid.sampler import random_of
from deformgan.reid.training_photos import TrainingPhotos

ERASED = 0.5  # probability of erasing a rectangle
_CHANGES, _ADDED_CHANGES = 2, 4  # random streams; see `entries.entry` for the others


@dataclass(frozen=True)
class ReidBatch:
    """The photos of one step, RGB in [0, 1].

    Attributes:
        images: The batch proper.
        rows: Rows of its training photos.
        added: Generated photos beside it; None if there are none.
        added_rows: Rows of these.
        weight: Weight of the loss on `added`.
    """

    images: Float[Tensor, "batch 3 height width"]
    rows: Int64[Tensor, "batch"]
    added: Float[Tensor, "added 3 height width"] | None
    added_rows: Int64[Tensor, "added"]
    weight: float


class ReidBatches:
    """Training batches with random mirroring, shifts and erasing.

    Args:
        photos: Training photos.
        entry: Which of them are in the batch of a step.
        size: (height, width) of the images.
        seed: Random seed of the changes to images.
        crop: Maximum random shift as a fraction of the image height; the border is padded with
            grey.
        random_erasing: Whether to erase rectangles.
        small_for: Number of initial steps at half height and width.
        device: Device for the batches.
        place: Rank of this process, which determines its part of each batch.
        places: Number of processes.

    Source:
        Zhong et al., "Random Erasing Data Augmentation", AAAI 2020: probability 0.5, 2 to 40 % of
        the area, aspect ratio from 0.3 to 1 / 0.3, filled with the mean colour.
    """

    def __init__(
        self,
        photos: TrainingPhotos,
        entry: Entry,
        size: tuple[int, int],
        *,
        seed: int = 0,
        crop: float = 0.0,
        random_erasing: bool = False,
        small_for: int = 0,
        device: str | torch.device = "cpu",
        place: int = 0,
        places: int = 1,
    ):
        self.photos = photos
        self.entry = entry
        self.size = size
        self.seed = seed
        self.crop = crop
        self.random_erasing = random_erasing
        self.small_for = small_for
        self.device = torch.device(device)
        self.place, self.places = place, places
        self._images = photos.images.to(self.device)

    def __getitem__(self, step: int) -> ReidBatch:
        """Return this process's part of the batch of a step, counted from 0."""
        rows = self.rows(step)
        added = self._load(rows.added, step, _ADDED_CHANGES) if len(rows.added) else None
        return ReidBatch(
            self._part(self._load(rows.batch, step, _CHANGES)),
            self._part(rows.batch),
            None if added is None else self._part(added),
            self._part(rows.added),
            rows.weight,
        )

    def rows(self, step: int) -> StepRows:
        """Return the photos of a whole batch."""
        return self.entry.rows(step)

    def fingerprint(self) -> list[dict[str, Any]]:
        """Return a summary of the training data, to verify it when a run is resumed."""
        names = "\n".join(self.photos.names).encode()
        return [
            {
                "photos": len(self.photos),
                "generated": int(self.photos.generated.sum()),
                "names": hashlib.sha256(names).hexdigest(),
                "pixels": int(self.photos.images.sum(dtype=torch.int64)),
            }
        ]

    def describe(self, step: int) -> str:
        """Return the file names in a batch, for error messages."""
        rows = self.rows(step)
        everything = [*rows.batch.tolist(), *rows.added.tolist()]
        return ", ".join(self.photos.names[row] for row in everything)

    def _load(
        self, rows: Int64[Tensor, "rows"], step: int, stream: int
    ) -> Float[Tensor, "rows 3 height width"]:
        images = self._images[rows.to(self.device)].float() / 255
        height, width = self.size
        if step < self.small_for:
            height, width = height // 2, width // 2
        if images.shape[2:] != (height, width):
            images = F.interpolate(images, (height, width), mode="bilinear", antialias=True)
        return self._spoil(images, random_of(self.seed, stream, step))

    def _part(self, of_all: Tensor) -> Tensor:
        """Return this process's part."""
        if len(of_all) % self.places:
            raise ValueError(f"{self.places} processes cannot share {len(of_all)} photos evenly.")
        part = len(of_all) // self.places
        return of_all[self.place * part : (self.place + 1) * part]

    def _spoil(self, images: Tensor, random: torch.Generator) -> Tensor:
        count, _, height, _ = images.shape
        mirrored = (torch.rand(count, generator=random) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        if self.crop:
            images = _shift(images, round(self.crop * height), random)
        if self.random_erasing:
            images = _erase(images, random)
        return images


def _shift(images: Tensor, reach: int, random: torch.Generator) -> Tensor:
    """Shift every image by a random number of whole pixels, padding with mid-grey."""
    count, _, height, width = images.shape
    wide = F.pad(images, (reach,) * 4, value=0.5)
    top, left = (
        torch.randint(2 * reach + 1, (count,), generator=random).to(images.device) for _ in range(2)
    )
    row = (top[:, None] + torch.arange(height, device=images.device))[:, None, :, None]
    column = (left[:, None] + torch.arange(width, device=images.device))[:, None, None, :]
    item = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(3, device=images.device)[None, :, None, None]
    return wide[item, channel, row, column]


def _erase(images: Tensor, random: torch.Generator) -> Tensor:
    """Erase a random rectangle in half of the images, filling it with their mean colour."""
    count, _, height, width = images.shape
    area = (0.02 + 0.38 * torch.rand(count, generator=random)) * height * width
    low, high = np.log(0.3), np.log(1 / 0.3)
    tall = torch.exp(low + (high - low) * torch.rand(count, generator=random))
    side = torch.stack([(area * tall).sqrt(), (area / tall).sqrt()], dim=1)
    side = side.minimum(torch.tensor([height, width]) * 1.0)
    first = torch.rand(count, 2, generator=random) * (torch.tensor([height, width]) - side)
    chosen = torch.rand(count, generator=random) < ERASED
    row, column = torch.arange(height), torch.arange(width)
    within = (row >= first[:, :1]) & (row < first[:, :1] + side[:, :1])
    inside = (column >= first[:, 1:]) & (column < first[:, 1:] + side[:, 1:])
    erased = (within[:, :, None] & inside[:, None] & chosen[:, None, None]).to(images.device)
    mean = images.mean(dim=(2, 3), keepdim=True)
    return torch.where(erased[:, None], mean, images)
