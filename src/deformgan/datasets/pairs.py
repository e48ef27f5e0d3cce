"""Pairs of images: the field's pair rule, sample of test pairs, and pair table."""

import csv
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from deformgan.errors import InputError, shortened
from deformgan.files import check_inside, written_beside

HEADER = ["from", "to"]
TEST_PAIRS = 12_000  # in the published lists


@runtime_checkable
class NamedPairs(Protocol):
    """A data set whose images have names.

    Attributes:
        names: One per image.
    """

    names: list[str]

    @property
    def pairs(self) -> Int64[Tensor, "pairs 2"]:
        """Indices of source and target."""
        ...


def build_pairs(
    dataset: NamedPairs, count: int | None = None, seed: int = 0
) -> list[tuple[str, str]]:
    """Build the pair list of a data set as (source, target) names.

    Args:
        dataset: One split. By default all its pairs are returned, as used for training.
        count: Number of pairs to draw instead, see `sample_test_pairs`; 12,000 for testing.
        seed: Random seed of the draw.
    """
    pairs = dataset.pairs if count is None else sample_test_pairs(dataset.pairs, count, seed)
    return [(dataset.names[source], dataset.names[target]) for source, target in pairs.tolist()]


def pair_rows(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Int64[Tensor, "pairs 2"]:
    """Find the image indices of named pairs.

    Args:
        names: Image names.
        pairs: (source, target) names, as returned by `read_pairs`.
    """
    rows = {name: row for row, name in enumerate(names)}
    unknown = next((name for pair in pairs for name in pair if name not in rows), None)
    if unknown is not None:
        raise InputError(
            f"The pair list contains {shortened(repr(unknown))}, which is none of the {len(rows)} "
            "images."
        )
    found = [(rows[source], rows[target]) for source, target in pairs]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 2)


def ordered_pairs(
    identities: Sequence[str],
    usable: Bool[Tensor, "images"],
) -> Int64[Tensor, "pairs 2"]:
    """Pair every usable image with every other usable one of the same person, in both orders.

    Args:
        identities: Person in each image.
        usable: Whether an image may be in a pair.

    Returns:
        Indices of source and target. People are ordered by their first usable image; their images
        stay in order.

    Source:
        The authors' pair script; 263,632 pairs on the full Market-1501 training set.
    """
    images: dict[str, list[int]] = {}
    for index, (identity, use) in enumerate(zip(identities, usable.tolist(), strict=True)):
        if use:
            images.setdefault(identity, []).append(index)
    pairs = [pair for group in images.values() for pair in permutations(group, 2)]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def sample_test_pairs(
    pairs: Int64[Tensor, "pairs 2"], count: int = TEST_PAIRS, seed: int = 0
) -> Int64[Tensor, "sampled 2"]:
    """Draw test pairs without replacement, reproducing the published lists.

    Args:
        pairs: All pairs, in the order of `ordered_pairs`.
        count: Number of pairs to draw; all of them, shuffled, if there are fewer.
        seed: Random seed; the published lists use 0.

    Source:
        The authors use pandas, `DataFrame.sample(count, random_state=seed)`, which takes the first
        items of NumPy's legacy permutation.
    """
    order = np.random.RandomState(seed).permutation(len(pairs))[:count]
    return pairs[torch.from_numpy(order)]


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Read a pair table (`from,to`, file names) as (source, target) names."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"The pair table {path} cannot be read: {shortened(error)}.") from error
    if not rows or rows[0] != HEADER:
        raise InputError(f"{path}, line 1: the header of a pair table is 'from,to'.")
    pairs = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != 2 or not all(row):
            raise InputError(f"{path}, line {number}: a line must be two names, 'from,to'.")
        for name in row:
            try:
                check_inside(name)
            except InputError as error:
                raise InputError(f"{path}, line {number}: {error}") from None
        pairs.append((row[0], row[1]))
    return pairs


def write_pairs(path: str | Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Write a pair table atomically to an existing folder."""
    with (
        written_beside(Path(path)) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([HEADER, *pairs])
