"""Nobody: identities of Market-1501's layout that are not people."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from deformgan.datasets.market_name import QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.splits import read_identity_split
from deformgan.errors import InputError

Side = Literal["train", "test"]
SIDES: tuple[Side, Side] = ("train", "test")

JUNK, DISTRACTOR = "-1", "0000"
NOBODY = (JUNK, DISTRACTOR)


def find_nobody(root: Path, side: Side, given: Collection[str] | None = None) -> Collection[str]:
    """Return the identities that are not people on one side of a data set.

    "-1" is junk in every set. "0000" is a distractor in Market-1501's gallery, and a person in sets
    that are numbered from 0; see `is_0000_a_person`.

    Args:
        root: Folder in Market-1501's layout, or of photos named like its.
        side: Its training photos, or its queries and gallery.
        given: The user's answer; None to decide by the data.
    """
    if given is not None:
        return given
    return (JUNK,) if is_0000_a_person(root, side) else NOBODY


def is_0000_a_person(root: Path, side: Side) -> bool | None:
    """Return whether "0000" is a person on one side of a data set; None if nothing says so.

    Photos of "0000" are of a person unless junk is among them, as in Market-1501's gallery; a
    gallery alone says nothing, and is understood as its queries or else its training photos are.
    Whoever is in `identity-split.json` is a person. A folder without parts holds training photos.

    Args:
        root: See `find_nobody`.
        side: See `find_nobody`.
    """
    try:
        split = read_identity_split(root) or {}
    except InputError:  # who reads it says so
        split = {}
    if any(DISTRACTOR in people for people in split.values()):
        return True
    if side == "test":
        if (asked := _has_0000_as_a_person(root / QUERY)) is not None:
            return asked
        if not (gallery := _has_0000_as_a_person(root / TEST)):
            return gallery
    parted = any((root / part).is_dir() for part in (TRAIN, QUERY, TEST))
    return _has_0000_as_a_person(root / TRAIN if parted else root)


def _has_0000_as_a_person(folder: Path) -> bool | None:
    """Return whether a folder's "0000" is a person; None if it has no such photo."""
    people = identities_of(folder) if folder.is_dir() else set()
    return JUNK not in people if DISTRACTOR in people else None


def identities_of(folder: Path, but: Collection[str] = ()) -> set[str]:
    """Return the identities in a folder's file names, except some; other files are ignored."""
    found = set()
    for path in folder.iterdir():
        try:
            found.add(MarketName.parse(path.name).identity)
        except InputError:
            continue
    return found - set(but)
