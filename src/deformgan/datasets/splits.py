"""Training and test identities, and leaks between them."""

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
    """Raised if a data set defines no test split."""


@runtime_checkable
class NamedPhotos(Protocol):
    """One side of a split.

    Attributes:
        names: File names in the data set.
        identities: Person in each image.
        paths: Image files.
    """

    names: list[str]
    identities: list[str]
    paths: list[Path]


@dataclass(frozen=True)
class Leak:
    """An identity or image that occurs on both sides of a split.

    Attributes:
        kind: Whether it is a person or a file.
        what: The identity, or the hash of the file's bytes.
        train: Names of the affected training images.
        test: Names of the affected test images.
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
    """Read the identities for training and testing, if `root` has an `identity-split.json`."""
    file = root / SPLIT_FILE
    if not file.is_file():
        return None
    try:
        identities = json.loads(file.read_text(encoding="utf-8"))
        parts = {part: {str(who) for who in identities[part]} for part in ("train", "test")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f'{file} is not a split like {{"train": ["0002", ...], "test": ["0007", ...]}}.'
        ) from error
    refuse_shared_identities(parts["train"], parts["test"], str(file))
    return parts


def refuse_shared_identities(train: Iterable[str], test: Iterable[str], where: str) -> None:
    """Raise an error if training and test identities overlap.

    Args:
        train: Identities.
        test: Identities.
        where: Name of the data in the error message.
    """
    both = sorted(set(train) & set(test))
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise InputError(f"{where} has {both[0]}{more} in both train and test.")


def find_leaks(train: NamedPhotos, test: NamedPhotos, *, content: bool = True) -> list[Leak]:
    """Find identities in both splits, and identical files whatever their names.

    Args:
        train: Training side.
        test: Test side.
        content: Whether to compare files too, which reads every file whose length occurs on both
            sides.
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
    """Raise an error if `find_leaks` finds anything."""
    leaks = find_leaks(train, test, content=content)
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise InputError(f"The splits overlap: {leaks[0]}{more}.")


def content_hash(path: Path) -> str:
    """Return a hash of a file's bytes."""
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
