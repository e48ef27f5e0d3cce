"""rank_gallery: how well vectors find the same person among others, as Re-ID measures it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 256  # queries at a time
RANKS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Ranking:
    """What came of a search, for every query that has a match in the gallery.

    Attributes:
        asked: Which queries these are.
        first_place: Where the first match came, from 1.
        precision: Average precision, in [0, 1]: the mean of the precision at every match.
        precision_trapezoid: The same as an area of trapezoids: at every match the mean of the
            precision there and one place before.
        inverse_negative_penalty: Number of matches by the place of the last, in [0, 1].
    """

    asked: Int64[Tensor, "asked"]
    first_place: Int64[Tensor, "asked"]
    precision: Float[Tensor, "asked"]
    precision_trapezoid: Float[Tensor, "asked"]
    inverse_negative_penalty: Float[Tensor, "asked"]

    def means(self) -> dict[str, float]:
        """Gives rank-1 to rank-20, mean average precision in both forms, mINP; NaN of nothing."""
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
    """Finds where the matches of every query come when the gallery is sorted for it.

    Photos that are equally near come in the order of the gallery.

    Args:
        similarity: The higher the nearer; finite.
        same: Whether it is the same person.
        junk: What is left out for a query: the same person in the same camera, the query itself.

    Source:
        Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015, whose evaluation
        code takes trapezoids; Ye et al., "Deep Learning for Person Re-identification: A Survey and
        Outlook", TPAMI 2021, for the inverse negative penalty.
    """
    # A sum is ten times as quick, and finite where all are (but for rare overflows).
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
    # The few matches are listed once: sums over rows of a mask take as long as sorting them.
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
    # One place before its first match a query has found nothing wrong yet: precision 1.
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
    """Gives the places of the matches, ascending; beyond a query's last one, too high ones.

    The gallery is not put in order, which takes several times as long: in the sorted *values* it is
    looked up how many are nearer than a match. Only where others are as near it is looked who they
    are.
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
    """Picks the queries: the first photo of every person by every camera."""
    seen: set[tuple[int, int]] = set()
    first = []
    for both in zip(people.tolist(), cameras.tolist(), strict=True):
        first.append(both not in seen)
        seen.add(both)
    return torch.tensor(first, dtype=torch.bool)
