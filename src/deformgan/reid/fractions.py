"""Subsampling of a training set, per identity."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.reid.augmenter import generator_of

FEWEST = 2  # minimum per identity: a single photo forms no positive pair


def keep_fraction(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    percent: int,
    seed: int,
) -> Int64[Tensor, "kept"]:
    """Draw a fraction of every identity's photos; smaller fractions are subsets of larger ones.

    Every identity keeps at least two photos, the first two by different cameras if possible.

    Args:
        classes: Identity in each photo.
        cameras: Camera of each photo.
        names: File names; the draws depend on these, not on the order of the photos.
        percent: Percentage of photos to keep, 1 to 100.
        seed: Random seed.

    Returns:
        Rows of the kept photos, ascending.
    """
    kept: list[int] = []
    for order in _orders(classes, cameras, names, seed):
        kept += order[: max(FEWEST, int(len(order) * percent / 100 + 0.5))]
    return torch.tensor(sorted(kept))


def keep_per_person(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    count: int,
    seed: int,
) -> Int64[Tensor, "kept"]:
    """Draw a number of every identity's photos, in the order of `keep_fraction`.

    Args:
        classes: See `keep_fraction`, as the others.
        cameras: Camera of each photo.
        names: File names.
        count: Photos to keep of each identity, from 1; identities with fewer keep all.
        seed: Random seed.
    """
    kept = [row for order in _orders(classes, cameras, names, seed) for row in order[:count]]
    return torch.tensor(sorted(kept))


def _orders(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    seed: int,
) -> Iterator[list[int]]:
    """Yield the rows of every identity in random order, the first two by different cameras."""
    for person in classes.unique().tolist():
        mine = (classes == person).nonzero()[:, 0].tolist()
        mine.sort(key=lambda row: names[row])
        random = generator_of(seed, "kept", names[mine[0]])
        order = [mine[place] for place in torch.randperm(len(mine), generator=random).tolist()]
        others = [row for row in order if cameras[row] != cameras[order[0]]]
        if others:
            order.remove(others[0])
            order.insert(1, others[0])
        yield order
