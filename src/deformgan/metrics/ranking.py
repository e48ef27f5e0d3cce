"""rank_gallery: how well vectors find the same person among others, as Re-ID measures it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Ranking:
    """What came of a search, for every query that has a match in the gallery.

    Attributes:
        asked: Which queries these are.
        first: 1 where the nearest photo shows the same person, else 0.
        precision: Average precision, in [0, 1].
    """

    asked: Int64[Tensor, "asked"]
    first: Float[Tensor, "asked"]
    precision: Float[Tensor, "asked"]

    def means(self) -> dict[str, float]:
        """Gives rank-1, mean average precision, and how many queries were counted."""
        return {
            "rank1": self.first.mean().item(),
            "map": self.precision.mean().item(),
            "queries": len(self.asked),
        }


def rank_gallery(
    similarity: Float[Tensor, "queries gallery"],
    same: Bool[Tensor, "queries gallery"],
    junk: Bool[Tensor, "queries gallery"],
) -> Ranking:
    """Sorts the gallery for every query and says where the matches came.

    Args:
        similarity: The higher the nearer.
        same: Whether it is the same person.
        junk: What is left out for a query: the same person in the same camera, the query itself.

    Source:
        Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015. Average precision
        is the mean of the precision at every match, not the area of trapezoids that their
        evaluation code took.
    """
    order = similarity.masked_fill(junk, -torch.inf).argsort(dim=1, descending=True, stable=True)
    match = (same & ~junk).gather(1, order)
    asked = match.any(dim=1).nonzero()[:, 0]
    match = match[asked].double()
    place = torch.arange(1, match.shape[1] + 1, device=match.device)
    precision = match.cumsum(dim=1) / place
    average = (precision * match).sum(dim=1) / match.sum(dim=1)
    return Ranking(asked, match[:, 0], average)


def first_of_each(
    people: Int64[Tensor, "photos"], cameras: Int64[Tensor, "photos"]
) -> Bool[Tensor, "photos"]:
    """Picks the queries: the first photo of every person by every camera."""
    seen: set[tuple[int, int]] = set()
    first = []
    for both in zip(people.tolist(), cameras.tolist(), strict=True):
        first.append(both not in seen)
        seen.add(both)
    return torch.tensor(first, dtype=torch.bool)
