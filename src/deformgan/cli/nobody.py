"""choose_nobody, say_nobody: which identities of a data set are not people, said in one line."""

import sys
from collections.abc import Collection
from pathlib import Path

from deformgan.errors import printable


def choose_nobody(given: Collection[str] | None, *folders: Path | None) -> Collection[str]:
    """Return the identities that are not people, and say so where they are unusual.

    Args:
        given: Identities of --nobody, which are returned as they are.
        folders: Folders in Market-1501's layout, or of photos named like its; None is skipped.
    """
    from deformgan.datasets.nobody import DISTRACTOR, JUNK, NOBODY, is_0000_a_person

    if given is not None:
        return given
    for folder in folders:
        somebody = None if folder is None else is_0000_a_person(folder)
        if somebody is None:
            continue
        how = (
            f"a person, as in sets numbered from 0; if it is nobody, add --nobody {JUNK} "
            f"{DISTRACTOR}"
            if somebody
            else f"nobody, being beside junk ({JUNK}); if it is a person, add --nobody {JUNK}"
        )
        print(
            f"deformgan: {DISTRACTOR} in {printable(str(folder))} counts as {how}", file=sys.stderr
        )
        return (JUNK,) if somebody else NOBODY
    return NOBODY


def say_nobody(*folders: Path) -> None:
    """Say which data sets of Market-1501's layout have people that are numbered from 0."""
    from deformgan.datasets import recognize

    for folder in folders:
        if recognize(folder) in ("market1501", "synthetic"):
            choose_nobody(None, folder)
