"""Re-ranking by k-reciprocal neighbours."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK = 256  # rows per block
_SHARED = 2 / 3  # overlap of a neighbour's set with the photo's own, above which it is added


def k_reciprocal_distance(
    query_vectors: Float[Tensor, "queries features"],
    gallery_vectors: Float[Tensor, "gallery features"],
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
    same: Int64[Tensor, "queries"] | None = None,
) -> Float[Tensor, "queries gallery"]:
    """Combine the original distance with the Jaccard distance of k-reciprocal neighbours.

    Two photos are k-reciprocal neighbours if each is among the other's nearest. The set of a photo
    is expanded by that of a neighbour, for half as many neighbours, if they share more than two
    thirds of the latter. The photo is then encoded by its distances to the members of its set,
    averaged over its `k2` nearest, and encodings are compared by Jaccard distance. Queries are
    neighbours of each other too, as in the authors' code.

    Memory: the result, and the non-zero entries of the encodings, without a square matrix over all
    photos. For Market-1501's 19,281 photos and 256 features it took 0.4 GB, of which 0.2 GB are the
    result.

    Args:
        query_vectors: Embeddings of the queries, compared by squared Euclidean distance, relative
            to the largest distance from the same photo.
        gallery_vectors: Embeddings of the gallery.
        k1: Number of neighbours, excluding the photo itself.
        k2: Number of photos to average an encoding over, including the photo itself.
        weight: Weight of the original distance in the sum, in [0, 1].
        same: Row of each query in the gallery, or -1 if it is not there. Such a photo is one
            neighbour of the others, not two, and its embedding is that of the gallery. None if no
            query is in the gallery.

    Source:
        Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017,
        with their constants.
    """
    if same is None:
        same = torch.full((len(query_vectors),), -1)
    alone = same < 0
    everybody = torch.cat([query_vectors[alone], gallery_vectors]).float()
    total, asked = len(everybody), int(alone.sum())
    node = torch.where(alone, alone.cumsum(0) - 1, asked + same)  # of each query in `everybody`
    near = min(max(k1 + 1, k2), total)
    order, largest = _neighbours(everybody, near)
    neighbours = order[:, : min(k1 + 1, total)]
    sets = _reciprocal(neighbours)
    half = order[:, : min(round(k1 / 2) + 1, total)]
    half_sets = _reciprocal(half)
    described = []
    for rows in _blocks(total):
        members, there = _expand(neighbours[rows], sets[rows], half, half_sets)
        row, slot = there.nonzero().T
        member, row = members[row, slot], row + rows.start
        apart = torch.cat(
            [(everybody[a] - everybody[b]).square().sum(dim=1) for a, b in _pairs(row, member)]
        )
        described.append((row, member, torch.exp(-apart / largest[row])))
    row, member, share = (torch.cat(part) for part in zip(*described, strict=True))
    share = share / torch.zeros(total).index_add(0, row, share)[row]
    averaged = _average(_sparse(row, member, share, total), order[:, :k2])
    in_gallery = averaged.row >= asked
    by_member = _sparse(
        averaged.column[in_gallery],
        averaged.row[in_gallery] - asked,
        averaged.value[in_gallery],
        total,
    )
    result = torch.empty(len(node), total - asked)
    for rows in _blocks(len(node)):
        here = node[rows]
        original = _squared(everybody[here], everybody[asked:]) / largest[here, None]
        for place, query in enumerate(range(rows.start, rows.stop)):
            _, members, mine = averaged.pick(node[[query]])
            which, photo, theirs = by_member.pick(members)
            common = torch.zeros(total - asked)
            common.index_add_(0, photo, torch.minimum(mine[which], theirs))
            # Every encoding sums to 1, so the sum of maxima needs no second pass.
            jaccard = 1 - common / (2 - common)
            result[query] = (1 - weight) * jaccard + weight * original[place]
    return result


@dataclass(frozen=True)
class _Sparse:
    """A sparse matrix, sorted by row (CSR).

    Attributes:
        row: Row of each entry, ascending.
        column: Column of each entry, unique within its row.
        value: Value of each entry.
        start: Index of each row's first entry, and the number of entries at the end.
    """

    row: Int64[Tensor, "entries"]
    column: Int64[Tensor, "entries"]
    value: Float[Tensor, "entries"]
    start: Int64[Tensor, "starts"]

    def pick(
        self, rows: Int64[Tensor, "picked"]
    ) -> tuple[Int64[Tensor, "found"], Int64[Tensor, "found"], Float[Tensor, "found"]]:
        """Return the entries of some rows: index into `rows`, column and value."""
        first, length = self.start[rows], self.start[rows + 1] - self.start[rows]
        which = torch.repeat_interleave(length)
        entry = torch.arange(len(which)) + (first - length.cumsum(0) + length)[which]
        return which, self.column[entry], self.value[entry]


def _sparse(
    row: Int64[Tensor, "entries"],
    column: Int64[Tensor, "entries"],
    value: Float[Tensor, "entries"],
    rows: int,
) -> _Sparse:
    order = row.argsort(stable=True)
    count = row.bincount(minlength=rows)
    start = torch.cat([torch.zeros(1, dtype=torch.int64), count.cumsum(0)])
    return _Sparse(row[order], column[order], value[order], start)


def _average(described: _Sparse, nearest: Int64[Tensor, "photos few"]) -> _Sparse:
    """Average every photo's encoding over its nearest photos."""
    total, few = nearest.shape
    parts = []
    for rows in _blocks(total):
        which, member, share = described.pick(nearest[rows].flatten())
        # Flat index into the full matrix, by which entries of the same photo and member are summed.
        number, place = ((which // few + rows.start) * total + member).unique(return_inverse=True)
        parts.append((number, torch.zeros(len(number)).index_add_(0, place, share / few)))
    number, value = (torch.cat(part) for part in zip(*parts, strict=True))
    return _sparse(number // total, number % total, value, total)


def _pairs(one: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(one.split(16 * BLOCK), other.split(16 * BLOCK), strict=True)


def _blocks(total: int) -> Iterator[slice]:
    for first in range(0, total, BLOCK):
        yield slice(first, min(first + BLOCK, total))


def _squared(one: Tensor, other: Tensor) -> Tensor:
    squares = one.square().sum(dim=1)[:, None] + other.square().sum(dim=1)
    return (squares - 2 * one @ other.T).clamp(min=0)


def _neighbours(
    vectors: Tensor, count: int
) -> tuple[Int64[Tensor, "photos near"], Float[Tensor, "photos"]]:
    """Return every photo's nearest, itself first, and its largest distance."""
    order, largest = [], []
    for rows in _blocks(len(vectors)):
        distance = _squared(vectors[rows], vectors)
        largest.append(distance.amax(dim=1).clamp(min=1e-12))
        here = torch.arange(rows.start, rows.stop)
        distance[here - rows.start, here] = -1
        order.append(distance.topk(count, dim=1, largest=False).indices)
    return torch.cat(order), torch.cat(largest)


def _reciprocal(neighbours: Int64[Tensor, "photos near"]) -> Bool[Tensor, "photos near"]:
    """Return which neighbours have the photo among their own neighbours."""
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
    """Expand each set by the smaller sets of its members that overlap enough.

    Returns:
        Members of each row's set, and a mask of valid entries; each member is valid once.
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
