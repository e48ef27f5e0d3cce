"""Nobody: identities of Market-1501's layout that are not people."""

from collections.abc import Collection
from pathlib import Path

from deformgan.datasets.market_name import QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.splits import read_identity_split
from deformgan.errors import InputError

JUNK, DISTRACTOR = "-1", "0000"
NOBODY = (JUNK, DISTRACTOR)


def find_nobody(root: Path) -> tuple[str, ...]:
    """Return the identities of a data set that are not people.

    "-1" is junk in every set. "0000" is a distractor in Market-1501's gallery, and a person in sets
    that are numbered from 0; see `is_0000_a_person`.

    Args:
        root: Folder in Market-1501's layout, or of photos named like its.
    """
    return (JUNK,) if is_0000_a_person(root) else NOBODY


def is_0000_a_person(root: Path) -> bool | None:
    """Return whether "0000" is a person of a data set; None if only a gallery has it, or nothing.

    It is one if a query or the identity split has it, or if training photos do, and junk is not
    among them, as it is in galleries. A folder without parts counts as training photos.
    """
    try:
        split = read_identity_split(root) or {}
    except InputError:  # who reads it says so
        split = {}
    if any(DISTRACTOR in people for people in split.values()):
        return True
    named = [part for part in (TRAIN, QUERY, TEST) if (root / part).is_dir()]
    if QUERY in named and DISTRACTOR in identities_of(root / QUERY):
        return True
    train = root / TRAIN if named else root
    people = identities_of(train) if train.is_dir() else set()
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
