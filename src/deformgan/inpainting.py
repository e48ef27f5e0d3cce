"""inpaint: holes in photos are filled with shifted copies of what surrounds them.

Every pixel of a hole is copied from where a shift points. The shifts are chosen on a small grid, so
that copies agree with what is known around the hole and with each other where two of them meet;
then on finer grids, near the coarser choice. The copies are made at the photo's own size, so that
a filled wall is as sharp as the wall beside it.

Source:
    Pritch et al., "Shift-Map Image Editing", ICCV 2009: shifts as labels, the cost of two side by
    side, from coarse to fine. Felzenszwalb and Huttenlocher, "Efficient Belief Propagation for
    Early Vision", IJCV 2006: min-sum messages. Ours: along the rows more shifts are tried, because
    streets are horizontal.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.push_pull import fill_holes

_CELLS = 400  # of the coarsest grid
_FINER = 2  # grids, each of twice the rows and columns
_KNOWN = 0.7  # share of a cell that is known where the cell counts as known
_IMPOSSIBLE = 1e6  # cost of copying from a hole or from outside
# Columns between the shifts that the coarsest grid tries, for each of their numbers of rows.
_TRIED = {0: 1, -1: 2, 1: 2, -3: 3, 3: 3, -8: 4, 8: 4}
_ROUNDS, _ROUNDS_FINER = 10, 4  # of messages between neighbours
_TEXTURE, _KEPT, _COLOUR, _RISE = 3.0, 2.0, 0.05, 51.0  # weights of the terms
_BESIDE = ((0, 1), (1, 0), (0, -1), (-1, 0))


def inpaint(
    image: Float[Tensor, "3 height width"], hole: Bool[Tensor, "height width"]
) -> Float[Tensor, "3 height width"]:
    """Fill a hole with shifted copies of what surrounds it.

    Where no shift reaches anything known, and where little is known at all, the filling is smooth
    (`fill_holes`).

    Args:
        image: Colours within -127.5 and 127.5; those inside the hole are ignored.
        hole: Pixels to fill; the others keep their values.
    """
    smooth = fill_holes(image[None], hole[None])[0]
    rows, columns = _coarsest(hole.shape[0], hole.shape[1])
    if rows < 8 or columns < 4 or not hole.any():
        return smooth
    grid = _Grid.of(image, hole, (rows, columns))
    candidates = _tried_shifts(grid)
    if candidates.shape[1] == 0:
        return smooth
    shifts = _choose(grid, candidates, _ROUNDS)
    for _ in range(_FINER):
        finer = _Grid.of(image, hole, (2 * grid.rows, 2 * grid.columns))
        shifts = _choose(finer, _near(grid, shifts, finer), _ROUNDS_FINER)
        grid = finer
    return _copy(image, hole, smooth, grid, shifts)


@dataclass(frozen=True)
class _Grid:
    """A small copy of an image.

    Attributes:
        features: Colours, their differences to the right and below, and texture, per cell.
        hole: Cells to fill.
        places: Row and column of each of them.
        numbers: Their index by cell; -1 elsewhere.
    """

    features: Float[Tensor, "rows columns channels"]
    hole: Bool[Tensor, "rows columns"]
    places: Int64[Tensor, "lost 2"]
    numbers: Int64[Tensor, "rows columns"]

    @property
    def rows(self) -> int:
        return self.hole.shape[0]

    @property
    def columns(self) -> int:
        return self.hole.shape[1]

    @staticmethod
    def of(image: Tensor, hole: Tensor, size: tuple[int, int]) -> "_Grid":
        known = (~hole).to(image.dtype)[None]
        grey = image.mean(dim=0, keepdim=True)
        means = F.adaptive_avg_pool2d(
            torch.cat([image * known, grey.square() * known, known])[None], size
        )
        share = means[:, 4:]
        colours, squares = (means[:, :3], means[:, 3:4])
        colours, squares = (values / share.clamp(min=1e-6) for values in (colours, squares))
        texture = (squares - colours.mean(dim=1, keepdim=True).square()).clamp(min=0).sqrt()
        lost = share[:, 0] < _KNOWN
        filled = fill_holes(torch.cat([colours, _TEXTURE * texture], dim=1), lost)
        middle = filled[:, :3].mean(dim=1, keepdim=True)
        right = F.pad(middle[..., 1:] - middle[..., :-1], (0, 1))
        below = F.pad(middle[..., 1:, :] - middle[..., :-1, :], (0, 0, 0, 1))
        features = torch.cat([filled, right, below], dim=1)[0].permute(1, 2, 0)
        places = lost[0].nonzero()
        numbers = torch.full(size, -1)
        numbers[lost[0]] = torch.arange(len(places))
        return _Grid(features.contiguous(), lost[0], places, numbers)

    def read(self, places: Int64[Tensor, "*cells 2"]) -> Float[Tensor, "*cells channels"]:
        """Return the features of cells; of those outside, of the nearest."""
        return self.features[_within(self.hole, places)]

    def known(self, places: Int64[Tensor, "*cells 2"]) -> Bool[Tensor, "*cells"]:
        """Return whether cells are inside the image and not to be filled."""
        return _is_known(self.hole, places)


def _within(hole: Bool[Tensor, "_ _"], places: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns; of places outside, those of the nearest place inside."""
    rows, columns = hole.shape
    return places[..., 0].clamp(0, rows - 1), places[..., 1].clamp(0, columns - 1)


def _is_known(
    hole: Bool[Tensor, "_ _"], places: Int64[Tensor, "*places 2"]
) -> Bool[Tensor, "*places"]:
    rows, columns = _within(hole, places)
    inside = (rows == places[..., 0]) & (columns == places[..., 1])
    return inside & ~hole[rows, columns]


def _coarsest(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, (_CELLS / (height * width)) ** 0.5)
    return round(height * scale), round(width * scale)


def _tried_shifts(grid: _Grid) -> Int64[Tensor, "lost tried 2"]:
    """Return the shifts that lead from at least one cell in fifty to what is known."""
    last = grid.columns - 1
    tried = torch.tensor(
        [(row, column) for row, step in _TRIED.items() for column in range(-last, last + 1, step)]
    )
    reaches = grid.known(grid.places[:, None] + tried).float().mean(dim=0)
    useful = tried[reaches > 0.02]
    return useful.expand(len(grid.places), -1, -1)


def _near(
    coarse: _Grid, shifts: Int64[Tensor, "lost 2"], fine: _Grid
) -> Int64[Tensor, "finer tried 2"]:
    """Return what a finer grid tries: the coarse shift, one cell around it, the neighbours'."""
    chosen = torch.zeros(coarse.rows, coarse.columns, 2, dtype=torch.long)
    chosen[coarse.hole] = 2 * shifts
    own = chosen[fine.places[:, 0] // 2, fine.places[:, 1] // 2]
    steps = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    beside = (fine.places // 2)[:, None] + torch.tensor(_BESIDE)
    return torch.cat([own[:, None] + steps, chosen[_within(coarse.hole, beside)]], dim=1)


def _choose(
    grid: _Grid, tried: Int64[Tensor, "lost tried 2"], rounds: int
) -> Int64[Tensor, "lost 2"]:
    """Choose a shift for each cell, by belief propagation.

    Args:
        grid: The image.
        tried: Shifts to choose from, in cells.
        rounds: Number of rounds of messages.
    """
    own = _cost(grid, tried)
    first, second = _neighbours(grid)
    cost = _disagreement(grid, tried, first, second)
    # Messages along both directions of every edge, each damped by the one before.
    forth = torch.zeros(len(first), tried.shape[1])
    back = torch.zeros_like(forth)
    for _ in range(rounds):
        total = _believed(own, forth, back, first, second)
        towards_second = (total[first] - back)[:, :, None] + cost
        towards_first = (total[second] - forth)[:, None, :] + cost
        forth, back = (
            (sent - sent.amin(dim=1, keepdim=True) + before) / 2
            for sent, before in (
                (towards_second.amin(dim=1), forth),
                (towards_first.amin(dim=2), back),
            )
        )
    best = _believed(own, forth, back, first, second).argmin(dim=1)
    return tried[torch.arange(len(tried)), best]


def _cost(grid: _Grid, tried: Int64[Tensor, "lost tried 2"]) -> Float[Tensor, "lost tried"]:
    """Return what each shift costs alone: against what is known beside the cell, and its colour."""
    sources = grid.places[:, None] + tried
    smooth = grid.read(grid.places)[:, None, :3]
    cost = _COLOUR * (grid.read(sources)[..., :3] - smooth).abs().sum(dim=-1)
    cost += _RISE * tried[..., 0].abs() / grid.rows
    for step in torch.tensor(_BESIDE):
        beside = grid.places + step
        kept = grid.known(beside)
        away = (grid.read(sources[kept] + step) - grid.read(beside[kept])[:, None]).abs()
        cost[kept] += _KEPT * away.sum(dim=-1)
    return torch.where(grid.known(sources), cost, _IMPOSSIBLE)


def _neighbours(grid: _Grid) -> tuple[Int64[Tensor, " edges"], Int64[Tensor, " edges"]]:
    """Return the pairs of cells to fill that are side by side."""
    pairs = [
        torch.stack([numbers[0].flatten(), numbers[1].flatten()])
        for numbers in (
            (grid.numbers[:, :-1], grid.numbers[:, 1:]),
            (grid.numbers[:-1], grid.numbers[1:]),
        )
    ]
    edges = torch.cat(pairs, dim=1)
    first, second = edges[:, (edges >= 0).all(dim=0)]
    return first, second


def _disagreement(
    grid: _Grid,
    tried: Int64[Tensor, "lost tried 2"],
    first: Int64[Tensor, " edges"],
    second: Int64[Tensor, " edges"],
) -> Float[Tensor, "edges tried tried"]:
    """Return what two shifts cost side by side: how much their copies differ in both cells."""
    one, other = grid.places[first][:, None], grid.places[second][:, None]
    return sum(
        torch.cdist(grid.read(place + tried[first]), grid.read(place + tried[second]), p=1)
        for place in (one, other)
    )


def _believed(
    own: Tensor, forth: Tensor, back: Tensor, first: Tensor, second: Tensor
) -> Float[Tensor, "lost tried"]:
    return own.index_add(0, second, forth).index_add(0, first, back)


def _copy(
    image: Tensor, hole: Tensor, smooth: Tensor, grid: _Grid, shifts: Tensor
) -> Float[Tensor, "3 height width"]:
    """Copy at the image's size; between cells, one copy fades into the other."""
    height, width = hole.shape
    scale = torch.tensor([height / grid.rows, width / grid.columns])
    chosen = torch.zeros(grid.rows, grid.columns, 2)
    chosen[grid.hole] = (shifts * scale).round()
    places = hole.nonzero()
    cells = (places + 0.5) / scale - 0.5
    corner = cells.floor().long()
    total = torch.zeros(len(places), 3)
    weight = torch.zeros(len(places), 1)
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        cell = corner + torch.tensor(step)
        near = (1 - (cells - cell).abs()).prod(dim=1)
        inside = _within(grid.hole, cell)
        source = places + chosen[inside].long()
        y, x = _within(hole, source)
        near = (near * (_is_known(hole, source) & grid.hole[inside]))[:, None]
        total += near * image[:, y, x].T
        weight += near
    copied = (weight > 1e-3)[:, 0]
    filled = image.clone()
    left = hole.clone()
    left[hole] = ~copied
    filled[:, hole] = (total / weight.clamp(min=1e-3)).T
    if left.any():  # smoothly, from the copies around too
        filled = torch.where(left, fill_holes(filled[None], left[None])[0], filled)
    return filled
