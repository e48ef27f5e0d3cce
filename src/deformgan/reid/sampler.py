"""PhotoSampler: which photos are in the batch of a step, a pure function of (seed, step)."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor


class PhotoSampler:
    """Draws the photos of training batches.

    Args:
        classes: Identity of each training photo.
        rows: Photos to draw from.
        count: Photos per batch.
        num_photos: Photos per identity in a batch; an identity with fewer photos repeats them. 1
            instead visits all photos once per epoch, in random order.
        seed: Random seed.
        stream: Number of the random stream; samplers of one run have different ones.
    """

    def __init__(
        self,
        classes: Int64[Tensor, "photos"],
        rows: Int64[Tensor, "drawn_from"],
        count: int,
        num_photos: int = 1,
        *,
        seed: int = 0,
        stream: int = 1,
    ):
        self.classes = classes
        self.from_rows = rows
        self.count = count
        self.num_photos = num_photos
        self.seed = seed
        self.stream = stream

    def rows(self, step: int) -> Int64[Tensor, "count"]:
        """Return the rows of the training photos in the batch of a step, counted from 0."""
        if self.num_photos == 1:
            return self._in_turn(step)
        random = random_of(self.seed, self.stream, step)
        chosen = []
        for person in _draw(len(self._people), self.count // self.num_photos, random):
            mine = self._people[person]
            order = torch.randperm(len(mine), generator=random)
            chosen.append(mine[order.repeat(self.num_photos)[: self.num_photos]])
        return torch.cat(chosen)

    @cached_property
    def _people(self) -> list[Int64[Tensor, "_"]]:
        classes = self.classes[self.from_rows]
        order = classes.argsort(stable=True)
        counts = classes.bincount()
        return list(self.from_rows[order].split(counts[counts > 0].tolist()))

    def _in_turn(self, step: int) -> Int64[Tensor, "count"]:
        """Return the next rows of an endless sequence of shuffled epochs."""
        total = len(self.from_rows)
        rows = []
        first, last = step * self.count, (step + 1) * self.count
        for turn in range(first // total, (last - 1) // total + 1):
            order = torch.randperm(total, generator=random_of(self.seed, self.stream, turn))
            rows.append(order[max(first - turn * total, 0) : last - turn * total])
        return self.from_rows[torch.cat(rows)]


def random_of(*numbers: int) -> torch.Generator:
    """Return a random generator that depends on the numbers alone, such as seed and step."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _draw(total: int, count: int, random: torch.Generator) -> list[int]:
    """Draw identities, repeating none before all have been drawn."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += torch.randperm(total, generator=random).tolist()
    return drawn[:count]
