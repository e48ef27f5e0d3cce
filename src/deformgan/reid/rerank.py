"""k_reciprocal_distance: photos that are each other's neighbours are nearer than they look."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 256  # rows at a time
_SHARED = 2 / 3  # of a neighbour's own set, above which it joins


def k_reciprocal_distance(
    query_vectors: Float[Tensor, "queries features"],
    gallery_vectors: Float[Tensor, "gallery features"],
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
) -> Float[Tensor, "queries gallery"]:
    """Compares whom two photos have for neighbours, beside how far apart they are.

    A photo's neighbours count if it is among theirs; the set that half as many neighbours give for
    one of them joins if more than two thirds of it are there already. A photo is then described by
    how near the members of its set are, averaged over the photo's `k2` nearest, and two
    descriptions are compared by Jaccard's distance. Queries are each other's neighbours too, as in
    the authors' code.

    Memory: two square matrices of all photos in float32, 3 GB for Market-1501's 19,281.

    Args:
        query_vectors: Compared by squared Euclidean distance over the largest from the same photo.
        gallery_vectors: As many features.
        k1: Size of the neighbourhood, the photo itself not counted.
        k2: How many photos a description is averaged over, the photo itself among them.
        weight: Of the original distance in the sum, in [0, 1].

    Source:
        Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017,
        with their constants.
    """
    everybody = torch.cat([query_vectors, gallery_vectors]).float()
    total, asked = len(everybody), len(query_vectors)
    near = min(max(k1 + 1, k2), total)
    order, largest = _neighbours(everybody, near)
    neighbours = order[:, : min(k1 + 1, total)]
    sets = _reciprocal(neighbours)
    half = order[:, : min(round(k1 / 2) + 1, total)]
    half_sets = _reciprocal(half)
    described = torch.zeros(total, total)
    for rows in _blocks(total):
        members, there = _expand(neighbours[rows], sets[rows], half, half_sets)
        apart = (everybody[rows, None] - everybody[members]).square().sum(dim=2)
        share = torch.exp(-apart / largest[rows, None]) * there
        described[rows].scatter_add_(1, members, share / share.sum(dim=1, keepdim=True))
    averaged = torch.stack([described[row].mean(dim=0) for row in order[:, :k2]])
    del described
    by_member = averaged.T.contiguous()
    result = torch.empty(asked, total - asked)
    for rows in _blocks(asked):
        original = _squared(everybody[rows], everybody[asked:]) / largest[rows, None]
        for place, row in enumerate(range(rows.start, rows.stop)):
            members = averaged[row].nonzero()[:, 0]
            mine = averaged[row, members][:, None]
            common = torch.minimum(mine, by_member[members, asked:]).sum(dim=0)
            jaccard = 1 - common / (2 - common)
            result[row] = (1 - weight) * jaccard + weight * original[place]
    return result


def _blocks(total: int) -> Iterator[slice]:
    for first in range(0, total, BLOCK):
        yield slice(first, min(first + BLOCK, total))


def _squared(one: Tensor, other: Tensor) -> Tensor:
    squares = one.square().sum(dim=1)[:, None] + other.square().sum(dim=1)
    return (squares - 2 * one @ other.T).clamp(min=0)


def _neighbours(
    vectors: Tensor, count: int
) -> tuple[Int64[Tensor, "photos near"], Float[Tensor, "photos"]]:
    """Gives everybody's nearest, himself first, and how far the farthest is."""
    order, largest = [], []
    for rows in _blocks(len(vectors)):
        distance = _squared(vectors[rows], vectors)
        largest.append(distance.amax(dim=1).clamp(min=1e-12))
        here = torch.arange(rows.start, rows.stop)
        distance[here - rows.start, here] = -1
        order.append(distance.topk(count, dim=1, largest=False).indices)
    return torch.cat(order), torch.cat(largest)


def _reciprocal(neighbours: Int64[Tensor, "photos near"]) -> Bool[Tensor, "photos near"]:
    """Tells which neighbours have a photo among their own."""
    found = []
    for rows in _blocks(len(neighbours)):
        here = torch.arange(rows.start, rows.stop)[:, None, None]
        found.append((neighbours[neighbours[rows]] == here).any(dim=2))
    return torch.cat(found)


def _expand(
    neighbours: Int64[Tensor, "rows near"],
    reciprocal: Bool[Tensor, "rows near"],
    half: Int64[Tensor, "photos half"],
    half_reciprocal: Bool[Tensor, "photos half"],
) -> tuple[Int64[Tensor, "rows most"], Bool[Tensor, "rows most"]]:
    """Adds the smaller sets of neighbours that share enough.

    Returns:
        The members of each row's set, and which of the entries are real; each member counts once.
    """
    theirs, real = half[neighbours], half_reciprocal[neighbours]  # (rows, near, half)
    mine = torch.where(reciprocal, neighbours, -1)
    shared = ((theirs[..., None] == mine[:, None, None]).any(dim=3) & real).sum(dim=2)
    joins = reciprocal & (shared > _SHARED * real.sum(dim=2))
    more = torch.where(real & joins[:, :, None], theirs, -1).flatten(1)
    members = torch.cat([mine, more], dim=1).sort(dim=1).values
    there = members >= 0
    there[:, 1:] &= members[:, 1:] != members[:, :-1]
    return members.clamp(min=0), there
