"""Choice: what all policies know: which poses there are, and whose."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet


class Choice:
    """The usable poses of a data set.

    Attributes:
        pool: Rows of the photos with a usable pose, ascending.
        photos: The data set. Only its poses, identities and cameras are looked at.
    """

    def __init__(self, photos: PhotoSet):
        self.photos = photos
        self.pool = photos.usable.nonzero()[:, 0]

    def shuffled(self, source: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Gives all usable rows but one, in an order drawn at random."""
        order = self.pool[torch.randperm(len(self.pool), generator=random)]
        return order[order != source]


def in_turns(
    rows: Int64[Tensor, "poses"], groups: Int64[Tensor, "poses"], turns: Sequence[int]
) -> Int64[Tensor, "poses"]:
    """Takes one of each group, then a second one of each, and so on.

    Args:
        rows: In the order in which those of one group come.
        groups: Of which group each is.
        turns: The order of the groups; rows of others come behind all.
    """
    place = {group: turn for turn, group in enumerate(turns)}
    last = len(turns)
    turn = torch.tensor([place.get(group, last) for group in groups.tolist()])
    ranks = torch.empty(len(rows), dtype=torch.long)
    for group in turn.unique().tolist():
        mine = turn == group
        ranks[mine] = torch.arange(int(mine.sum()))
    ranks[turn == last] += len(rows)
    return rows[(ranks * (last + 1) + turn).argsort(stable=True)]


def turns_by_need(counts: Sequence[int], random: torch.Generator) -> list[int]:
    """Orders groups by how often somebody has been seen in them, fewest first; ties by draw."""
    draw = torch.randperm(len(counts), generator=random).tolist()
    return sorted(range(len(counts)), key=lambda group: (counts[group], draw[group]))
