"""Choice: the pool of poses that all policies share."""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet

REDRAWS = 8  # poses of a wanted group per requested one


class Choice:
    """The usable poses of a data set.

    Attributes:
        pool: Rows of photos with a usable pose, ascending.
        photos: The data set; only its poses, identities and cameras are used.
        asked: First row of the allowed target poses.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self.photos = photos
        self.pool = photos.usable.nonzero()[:, 0]
        self.asked = asked
        people = sorted(set(photos.identities))
        self._numbers = {who: number for number, who in enumerate(people)}
        counted: Counter[str] = Counter()
        self._places = {}
        for row in self.pool.tolist():
            self._places[row] = counted[photos.identities[row]]
            counted[photos.identities[row]] += 1

    def lacking(self, source: int, count: int, seen: Sequence[int]) -> list[int]:
        """Distribute an identity's least frequent groups among its photos.

        Args:
            source: Row of one of its photos, with a usable pose.
            count: Number of groups per photo.
            seen: Number of the identity's photos in each group.

        Returns:
            Groups assigned to this photo.
        """
        who = self._numbers[self.photos.identities[source]]
        return by_need(seen, self._places[source] * count, count, first=who)

    def shuffled(self, source: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Return all allowed target rows except the source's, in random order."""
        rows = self.pool[self.pool >= self.asked]
        order = rows[torch.randperm(len(rows), generator=random)]
        return order[order != source]


def by_need(counts: Sequence[int], start: int, count: int, first: int = 0) -> list[int]:
    """Add items one at a time to the smallest group, and return the order.

    Args:
        counts: Initial size of each group.
        start: Number of items added before.
        count: Number of items to add.
        first: Group that is first among groups of equal size; the following ones come next,
            cyclically.

    Returns:
        Group of each added item, in order.
    """
    heights, order = list(counts), []
    for _ in range(start + count):
        lowest = min(
            range(len(heights)), key=lambda group: (heights[group], (group - first) % len(heights))
        )
        heights[lowest] += 1
        order.append(lowest)
    return order[start:]


def take_in_turns(
    rows: Int64[Tensor, "poses"], groups: Int64[Tensor, "poses"], wanted: Sequence[int]
) -> Int64[Tensor, "poses"]:
    """Move rows of wanted groups to the front, cycling through the groups in order.

    Args:
        rows: Rows, in order within each group.
        groups: Group of each row.
        wanted: Wanted groups, with possible repetitions.

    Returns:
        All rows: up to `REDRAWS` cycles of the wanted groups, then the rest in the original order.
    """
    queues = {
        group: iter((groups == group).nonzero()[:, 0].tolist()) for group in dict.fromkeys(wanted)
    }
    chosen = [
        place
        for _ in range(REDRAWS)
        for group in wanted
        if (place := next(queues[group], None)) is not None
    ]
    rest = torch.ones(len(rows), dtype=torch.bool)
    rest[chosen] = False
    return torch.cat([rows[chosen], rows[rest]])
