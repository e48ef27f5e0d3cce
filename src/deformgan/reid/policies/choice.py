"""Choice: what all policies know: which poses there are, and whose."""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet

REDRAWS = 8  # poses of a wanted kind for one that is asked for


class Choice:
    """The usable poses of a data set.

    Attributes:
        pool: Rows of the photos with a usable pose, ascending.
        photos: The data set. Only its poses, identities and cameras are looked at.
        asked: Rows of `pool` from this one on may be asked for.
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
        """Shares the groups that a person was seen in least among that person's photos.

        Args:
            source: Row of one of them, with a usable pose.
            count: How many groups each photo gets.
            seen: How many photos of the person there are in each group.

        Returns:
            The groups that this photo gets.
        """
        who = self._numbers[self.photos.identities[source]]
        return by_need(seen, self._places[source] * count, count, first=who)

    def shuffled(self, source: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Gives all rows that may be asked for but one, in an order drawn at random."""
        rows = self.pool[self.pool >= self.asked]
        order = rows[torch.randperm(len(rows), generator=random)]
        return order[order != source]


def by_need(counts: Sequence[int], start: int, count: int, first: int = 0) -> list[int]:
    """Fills groups up to the same height, one at a time, and says which came when.

    Args:
        counts: How many are in each group already.
        start: How many were added before.
        count: How many to add.
        first: The group that goes before others of equal height; those after it follow.

    Returns:
        The groups that get one, in order.
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
    """Puts rows of wanted groups first, in the order in which they are wanted, again and again.

    Args:
        rows: In the order in which those of one group come.
        groups: Of which group each is.
        wanted: Groups, some perhaps several times.

    Returns:
        All rows: up to `REDRAWS` times those that are wanted, then the others as they came.
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
