"""ReidBatches: photos of people to learn from, found from (seed, step) alone."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.training_photos import TrainingPhotos

ERASED = 0.5  # share of the photos that lose a rectangle
_ORDER, _CHANGES = 1, 2  # streams of random numbers


class ReidBatches:
    """Training batches, spoilt in the usual ways: mirrored, shifted, with a rectangle erased.

    Args:
        photos: What they are made of.
        size: Height and width of the images.
        batch_size: Photos in a batch.
        num_photos: How many photos of each person are in a batch; somebody with fewer comes twice
            in the same. 1 takes all photos once, in a new order, before any comes again.
        seed: Of all that is drawn.
        crop: Photos are shifted by up to this share of their height, the border grey.
        random_erasing: Whether rectangles are erased.
        small_for: In so many first steps images have half the height and width.
        device: Where batches are made.
        place: Which part of every batch this process makes.
        places: How many processes there are.

    Source:
        Zhong et al., "Random Erasing Data Augmentation", AAAI 2020: half of the photos, 2 to 40 %
        of the area, sides 0.3 to 3.3, filled with the mean colour.
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
                f"batch_size must be a multiple of {num_photos * places} ({num_photos} photos of a "
                f"person, {places} processes), got {batch_size}."
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
        """Makes this process' part of the batch of one step, counted from 0.

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
        """Gives the rows of the photos of a whole batch."""
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
        """Says what a run learns from, so that it is resumed with the same."""
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
        """Names the photos of a batch, for errors."""
        return ", ".join(self.photos.names[row] for row in self.rows(step).tolist())

    @cached_property
    def _people(self) -> list[Int64[Tensor, "_"]]:
        order = self.photos.classes.argsort(stable=True)
        counts = self.photos.classes.bincount()
        return list(order.split(counts[counts > 0].tolist()))

    def _in_turn(self, step: int) -> Int64[Tensor, "batch"]:
        """Takes the next photos of an endless row of shuffled sets."""
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
    """Draws people, nobody twice before all were drawn."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += torch.randperm(total, generator=random).tolist()
    return drawn[:count]


def _shift(images: Tensor, reach: int, random: torch.Generator) -> Tensor:
    """Moves every image by whole pixels; the border is mid grey."""
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
    """Fills a rectangle of half of the images with their mean colour."""
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
