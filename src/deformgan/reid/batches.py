"""Training batches of people, a pure function of (seed, step)."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.training_photos import TrainingPhotos

ERASED = 0.5  # probability of erasing a rectangle
_ORDER, _CHANGES = 1, 2  # random streams


class ReidBatches:
    """Training batches with random mirroring, shifts and erasing.

    Args:
        photos: Training photos.
        size: (height, width) of the images.
        batch_size: Photos per batch.
        num_photos: Photos per identity in a batch; an identity with fewer photos repeats them. 1
            instead visits all photos once per epoch, in random order.
        seed: Random seed for order and augmentation.
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
        size: tuple[int, int],
        batch_size: int,
        num_photos: int = 1,
        *,
        seed: int = 0,
        crop: float = 0.0,
        random_erasing: bool = False,
        small_for: int = 0,
        device: str | torch.device = "cpu",
        place: int = 0,
        places: int = 1,
    ):
        if batch_size % (num_photos * places):
            raise ValueError(
                f"batch_size must be a multiple of {num_photos * places} ({num_photos} photos per "
                f"identity, {places} processes), got {batch_size}."
            )
        self.photos = photos
        self.size = size
        self.batch_size = batch_size
        self.num_photos = num_photos
        self.seed = seed
        self.crop = crop
        self.random_erasing = random_erasing
        self.small_for = small_for
        self.device = torch.device(device)
        self.place, self.places = place, places
        self._images = photos.images.to(self.device)

    def __getitem__(
        self, step: int
    ) -> tuple[Float[Tensor, "batch 3 height width"], Int64[Tensor, "batch"]]:
        """Return this process's part of the batch of a step, counted from 0.

        Returns:
            Images in [0, 1], and the rows of the photos.
        """
        rows = self.rows(step)
        images = self._images[rows.to(self.device)].float() / 255
        height, width = self.size
        if step < self.small_for:
            height, width = height // 2, width // 2
        if images.shape[2:] != (height, width):
            images = F.interpolate(images, (height, width), mode="bilinear", antialias=True)
        images = self._spoil(images, self._random(_CHANGES, step))
        part = slice(
            self.place * self.batch_size // self.places,
            (self.place + 1) * self.batch_size // self.places,
        )
        return images[part], rows[part]

    def rows(self, step: int) -> Int64[Tensor, "batch"]:
        """Return the photo rows of a whole batch."""
        if self.num_photos == 1:
            return self._in_turn(step)
        random = self._random(_ORDER, step)
        people = self._people
        chosen = []
        for person in _draw(len(people), self.batch_size // self.num_photos, random):
            mine = people[person]
            order = torch.randperm(len(mine), generator=random)
            chosen.append(mine[order.repeat(self.num_photos)[: self.num_photos]])
        return torch.cat(chosen)

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
        return ", ".join(self.photos.names[row] for row in self.rows(step).tolist())

    @cached_property
    def _people(self) -> list[Int64[Tensor, "_"]]:
        order = self.photos.classes.argsort(stable=True)
        counts = self.photos.classes.bincount()
        return list(order.split(counts[counts > 0].tolist()))

    def _in_turn(self, step: int) -> Int64[Tensor, "batch"]:
        """Return the next rows of an endless sequence of shuffled epochs."""
        count = len(self.photos)
        rows = []
        first, last = step * self.batch_size, (step + 1) * self.batch_size
        for turn in range(first // count, (last - 1) // count + 1):
            order = torch.randperm(count, generator=self._random(_ORDER, turn))
            rows.append(order[max(first - turn * count, 0) : last - turn * count])
        return torch.cat(rows)

    def _random(self, stream: int, number: int) -> torch.Generator:
        seed = np.random.SeedSequence((self.seed, stream, number)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(seed[0] >> 1))

    def _spoil(self, images: Tensor, random: torch.Generator) -> Tensor:
        count, _, height, _ = images.shape
        mirrored = (torch.rand(count, generator=random) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        if self.crop:
            images = _shift(images, round(self.crop * height), random)
        if self.random_erasing:
            images = _erase(images, random)
        return images


def _draw(total: int, count: int, random: torch.Generator) -> list[int]:
    """Draw identities, repeating none before all have been drawn."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += torch.randperm(total, generator=random).tolist()
    return drawn[:count]


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
