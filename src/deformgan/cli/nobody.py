"""say_nobody: how identity 0000 of a data set is understood, in one line."""

import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from deformgan.errors import InputError, printable


def say_nobody(given: Collection[str] | None, *folders: Path) -> None:
    """Say how identity 0000 is understood where this is not as in Market-1501.

    Args:
        given: Identities of --nobody; if they are given, there is nothing to say.
        folders: Data sets of any kind; those that cannot be read are skipped.
    """
    from deformgan.datasets import recognize

    for folder in folders:
        with suppress(InputError):  # whoever opens it says so
            if given is not None or recognize(folder) not in ("market1501", "synthetic"):
                continue
            if how := _describe(folder):
                line = f"deformgan: 0000 in {printable(str(folder))} counts as {how}"
                print(line, file=sys.stderr)


def _describe(folder: Path) -> str:
    """Return how 0000 is understood in a data set; empty where it is as in Market-1501."""
    from deformgan.datasets.nobody import SIDES, is_0000_a_person

    train, test = (is_0000_a_person(folder, side) for side in SIDES)
    person, nobody = "--nobody -1 makes it a person", "--nobody -1 0000 makes it nobody"
    if train and test is False:
        return f"a person in training photos, as nobody beside junk in the gallery; {nobody}"
    if test and train is False:
        return f"a person in queries, as nobody beside junk in training photos; {person}"
    if train or test:
        return f"a person, as in sets numbered from 0; {nobody}"
    return f"nobody, being beside junk; {person}" if train is False else ""
