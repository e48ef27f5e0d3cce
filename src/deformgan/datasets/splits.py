"""Who may be trained on and who is for testing; and what should be in one but is in both."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from deformgan.errors import InputError

Split = Literal["train", "test", "all"]

SPLIT_FILE = "identity-split.json"


class NoTestSplitError(InputError):
    """A data set does not say who is to be tested on."""


@runtime_checkable
class NamedPhotos(Protocol):
    """One side of a split.

    Attributes:
        names: File names, as the data set has them.
        identities: Who is in each image.
        paths: Where the images are.
    """

    names: list[str]
    identities: list[str]
    paths: list[Path]


@dataclass(frozen=True)
class Leak:
    """Something that is on both sides of a split.

    Attributes:
        kind: A person, or the same file.
        what: The identity, or the hash of the file's bytes.
        train: Names of the images concerned on one side.
        test: Names on the other.
    """

    kind: Literal["identity", "image"]
    what: str
    train: list[str]
    test: list[str]

    def __str__(self) -> str:
        if self.kind == "identity":
            return (
                f"{self.what} is in both train ({len(self.train)} images, such as "
                f"{self.train[0]}) and test ({len(self.test)}, such as {self.test[0]})"
            )
        return f"{self.train[0]} in train is the same image as {self.test[0]} in test"


def read_identity_split(root: Path) -> dict[str, set[str]] | None:
    """Reads who is for training and who for testing, where `root` has an `identity-split.json`."""
    file = root / SPLIT_FILE
    if not file.is_file():
        return None
    try:
        identities = json.loads(file.read_text(encoding="utf-8"))
        parts = {part: {str(who) for who in identities[part]} for part in ("train", "test")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{file} is not a split like {{"train": ["0002", ...], "test": ["0007", ...]}}.'
        ) from error
    refuse_shared_identities(parts["train"], parts["test"], str(file))
    return parts


def refuse_shared_identities(train: Iterable[str], test: Iterable[str], where: str) -> None:
    """Raises where somebody to train on is also to test on.

    Args:
        train: Identities.
        test: Identities.
        where: What to call the data in the error.
    """
    both = sorted(set(train) & set(test))
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise InputError(f"{where} has {both[0]}{more} in both train and test.")


def find_leaks(train: NamedPhotos, test: NamedPhotos, *, content: bool = True) -> list[Leak]:
    """Finds identities in both splits, and images of equal bytes under whatever names.

    Args:
        train: One side.
        test: The other.
        content: Whether to compare the images too, which reads every file of both sides whose
            length occurs on both.
    """
    leaks = _shared("identity", train, train.identities, test, test.identities)
    if not content:
        return leaks
    lengths = [[path.stat().st_size for path in side.paths] for side in (train, test)]
    shared = set(lengths[0]) & set(lengths[1])
    hashes = [
        [
            content_hash(path) if length in shared else ""
            for path, length in zip(side.paths, lengths_of_side, strict=True)
        ]
        for side, lengths_of_side in zip((train, test), lengths, strict=True)
    ]
    return leaks + _shared("image", train, hashes[0], test, hashes[1])


def refuse_leaks(train: NamedPhotos, test: NamedPhotos, *, content: bool = True) -> None:
    """Raises where `find_leaks` finds anything."""
    leaks = find_leaks(train, test, content=content)
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise InputError(f"The splits share what only one may have: {leaks[0]}{more}.")


def content_hash(path: Path) -> str:
    """Gives what files of equal bytes have in common."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shared(
    kind: Literal["identity", "image"],
    train: NamedPhotos,
    train_keys: Sequence[str],
    test: NamedPhotos,
    test_keys: Sequence[str],
) -> list[Leak]:
    sides = [_names_by(train_keys, train.names), _names_by(test_keys, test.names)]
    return [
        Leak(kind, key, names, sides[1][key])
        for key, names in sides[0].items()
        if key and key in sides[1]
    ]


def _names_by(keys: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, name in zip(keys, names, strict=True):
        found.setdefault(key, []).append(name)
    return found
