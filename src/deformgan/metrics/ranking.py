"""rank_gallery: retrieval metrics of person re-identification (CMC, mAP, mINP)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 256  # queries ranked at a time
RANKS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Ranking:
    """Retrieval results of every query that has a match in the gallery.

    Attributes:
        asked: Indices of these queries.
        first_place: Rank of the first match, from 1.
        precision: Average precision, in [0, 1]: the mean of the precision at every match.
        precision_trapezoid: Average precision by the trapezoidal rule: at every match, the mean of
            the precision at its rank and at the rank before.
        inverse_negative_penalty: Number of matches divided by the rank of the last, in [0, 1].
    """

    asked: Int64[Tensor, "asked"]
    first_place: Int64[Tensor, "asked"]
    precision: Float[Tensor, "asked"]
    precision_trapezoid: Float[Tensor, "asked"]
    inverse_negative_penalty: Float[Tensor, "asked"]

    def means(self) -> dict[str, float]:
        """Return rank-1 to rank-20, mAP in both forms and mINP; NaN if no query has a match."""
        ranks = {f"rank{k}": (self.first_place <= k).double().mean().item() for k in RANKS}
        return {
            **ranks,
            "map": self.precision.mean().item(),
            "map_trapezoid": self.precision_trapezoid.mean().item(),
            "minp": self.inverse_negative_penalty.mean().item(),
        }


def rank_gallery(
    similarity: Float[Tensor, "queries gallery"],
    same: Bool[Tensor, "queries gallery"],
    junk: Bool[Tensor, "queries gallery"],
) -> Ranking:
    """Rank the gallery for every query by similarity and score the matches.

    Photos of equal similarity keep the order of the gallery.

    Args:
        similarity: Similarity of query and gallery photo; higher is nearer; finite.
        same: Whether both photos show the same person.
        junk: Gallery photos to ignore for a query: the same person in the same camera, and the
            query itself.

    Source:
        Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015, whose evaluation
        code uses the trapezoidal rule; Ye et al., "Deep Learning for Person Re-identification: A
        Survey and Outlook", TPAMI 2021, for the inverse negative penalty.
    """
    # A sum is ten times as fast, and it is finite if all values are (barring rare overflows).
    if not similarity.sum().isfinite() and not similarity.isfinite().all():
        raise ValueError("similarities must be finite.")
    exact = torch.promote_types(similarity.dtype, torch.float32)  # numpy has no bfloat16
    parts = [
        _rank(near.detach().to("cpu", exact), right.cpu(), out.cpu())
        for near, right, out in zip(
            *(whole.split(BLOCK) for whole in (similarity, same, junk)), strict=True
        )
    ]
    asked = [part[0] + BLOCK * number for number, part in enumerate(parts)]
    return Ranking(torch.cat(asked), *(torch.cat([part[i] for part in parts]) for i in range(1, 5)))


def _rank(similarity: Tensor, same: Tensor, junk: Tensor) -> tuple[Tensor, ...]:
    # List the few matches once: summing the rows of a mask takes as long as sorting them.
    query, photo = (same & ~junk).nonzero().T
    every = query.bincount(minlength=len(same))
    asked = every.nonzero()[:, 0]
    counts = every[asked]
    row = torch.repeat_interleave(counts)
    similarity = similarity.masked_fill(junk, -torch.inf)
    if len(asked) < len(same):
        similarity = similarity[asked]
    places = _places(similarity, row, photo, counts)
    number = torch.arange(1, places.shape[1] + 1)
    real = number <= counts[:, None]
    place, number = places.double(), number.double()
    here = number / place
    # Before rank 1 nothing has been retrieved, and precision counts as 1.
    before = torch.where(place > 1, (number - 1) / (place - 1).clamp(min=1), 1.0)
    last = places.gather(1, counts[:, None] - 1)[:, 0] if len(asked) else places[:, 0:1].flatten()
    return (
        asked,
        places[:, 0] if len(asked) else last,
        here.masked_fill(~real, 0).sum(dim=1) / counts,
        ((here + before) / 2).masked_fill(~real, 0).sum(dim=1) / counts,
        counts.double() / last,
    )


def _places(
    similarity: Tensor, query: Tensor, photo: Tensor, counts: Tensor
) -> Int64[Tensor, "asked most"]:
    """Return the ranks of each query's matches in ascending order, padded with gallery size + 1.

    Sorting the similarities and looking up how many exceed that of a match is several times as fast
    as sorting the gallery's indices. Only matches that tie with other photos need the indices.
    """
    most = int(counts.max()) if len(counts) else 1
    gallery = similarity.shape[1]
    slot = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    values = similarity.new_full((len(counts), most), -torch.inf)
    values[query, slot] = similarity[query, photo]
    plain = similarity.numpy()
    ascending = torch.from_numpy(np.sort(plain, axis=1))
    up_to = torch.searchsorted(ascending, values, right=True)
    below = torch.searchsorted(ascending, values)
    places = gallery - up_to + 1
    tied = (up_to - below > 1)[query, slot]
    for row, column, where in zip(
        query[tied].tolist(), photo[tied].tolist(), slot[tied].tolist(), strict=True
    ):
        mine = plain[row]
        places[row, where] += int(np.count_nonzero(mine[:column] == mine[column]))
    real = torch.arange(most) < counts[:, None]
    return places.masked_fill(~real, gallery + 1).sort(dim=1).values


def first_of_each(
    people: Int64[Tensor, "photos"], cameras: Int64[Tensor, "photos"]
) -> Bool[Tensor, "photos"]:
    """Return a mask of the queries: the first photo of every person in every camera."""
    seen: set[tuple[int, int]] = set()
    first = []
    for both in zip(people.tolist(), cameras.tolist(), strict=True):
        first.append(both not in seen)
        seen.add(both)
    return torch.tensor(first, dtype=torch.bool)
