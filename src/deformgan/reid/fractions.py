"""Subsampling of a training set, per identity."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.cuhk03 import market_name
from deformgan.errors import InputError
from deformgan.reid.augmenter import generator_of
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.training_photos import TrainingPhotos

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
        share = int(len(order) * percent / 100 + 0.5)
        kept += order[: max(FEWEST, share)]
    return torch.tensor(sorted(kept))


def keep_per_person(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    count: int,
    seed: int,
) -> Int64[Tensor, "kept"]:
    """Draw the same number of photos of every identity; fewer are a subset of more.

    The order is that of `keep_fraction`, so the first two are by different cameras if possible. An
    identity with fewer photos keeps all.

    Args:
        classes: Identity in each photo.
        cameras: Camera of each photo.
        names: File names; the draws depend on these, not on the order of the photos.
        count: Photos per identity, from 1.
        seed: Random seed.

    Returns:
        Rows of the kept photos, ascending.
    """
    orders = _orders(classes, cameras, names, seed)
    return torch.tensor(sorted(row for order in orders for row in order[:count]))


def keep_real(
    photos: TrainingPhotos, percent: int, per_person: int | None, seed: int
) -> TrainingPhotos:
    """Keep a number of every identity's real photos, or else a percentage.

    Args:
        photos: Real photos.
        percent: See `keep_fraction`.
        per_person: See `keep_per_person`; None to keep a percentage.
        seed: Random seed.
    """
    described = (photos.classes, photos.cameras, photos.names)
    if per_person is None:
        return photos.take(keep_fraction(*described, percent, seed))
    return photos.take(keep_per_person(*described, per_person, seed))


def keep_some(
    photos: TrainingPhotos,
    data: Path,
    percent: int | None,
    per_person: int | None,
    seed: int,
) -> TrainingPhotos:
    """Keep a fraction or a number of every identity's real photos, and what was generated of them.

    Args:
        photos: Training photos, real and generated.
        data: Their folder, whose manifest has the source of every generated photo.
        percent: See `keep_fraction`; None to keep all.
        per_person: See `keep_per_person`; None to keep all.
        seed: Random seed.
    """
    for flag, given, most in (("fraction", percent, 100), ("per-person", per_person, None)):
        if given is not None and (given < 1 or (most is not None and given > most)):
            allowed = "at least 1" if most is None else f"from 1 to {most}"
            raise InputError(f"--{flag} is {given}; it must be {allowed}.")
    if percent is not None and per_person is not None:
        raise InputError("Give --fraction or --per-person, not both.")
    if percent is None and per_person is None:
        return photos
    real = photos.take((~photos.generated).nonzero()[:, 0])
    kept = set(keep_real(real, percent or 100, per_person, seed).names)
    sources = {}
    if photos.generated.any():
        sources = {
            photo.name: market_name(photo.source) for photo in read_manifest(data / MANIFEST)
        }
    both = [row for row, name in enumerate(photos.names) if sources.get(name, name) in kept]
    return photos.take(torch.tensor(both))


def _orders(
    classes: Int64[Tensor, "photos"],
    cameras: Int64[Tensor, "photos"],
    names: Sequence[str],
    seed: int,
) -> Iterator[list[int]]:
    """Draw the order in which each identity's photos are kept."""
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
