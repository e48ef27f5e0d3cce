"""keep_fraction: what is left of a training set of which only a part is at hand."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.reid.augmenter import generator_of

FEWEST = 2  # photos of everybody: of one alone nothing can be told apart from another


def keep_fraction(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    percent: int,
    seed: int,
) -> Int64[Tensor, "kept"]:
    """Draws a share of every person's photos; a smaller share is part of every larger one.

    Everybody keeps at least two photos, the first two by different cameras where there are two.

    Args:
        classes: Who is in each photo.
        cameras: Who took it.
        names: The draws depend on these, not on the order of the photos.
        percent: The share, 1 to 100.
        seed: Of the draws.

    Returns:
        Rows of the kept photos, ascending.
    """
    kept: list[int] = []
    for person in classes.unique().tolist():
        mine = (classes == person).nonzero()[:, 0].tolist()
        mine.sort(key=lambda row: names[row])
        random = generator_of(seed, "kept", names[mine[0]])
        order = [mine[place] for place in torch.randperm(len(mine), generator=random).tolist()]
        others = [row for row in order if cameras[row] != cameras[order[0]]]
        if others:
            order.remove(others[0])
            order.insert(1, others[0])
        share = int(len(order) * percent / 100 + 0.5)
        kept += order[: max(FEWEST, share)]
    return torch.tensor(sorted(kept))
