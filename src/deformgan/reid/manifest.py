"""Manifest: the origin of every generated photo, as JSON Lines."""

import json
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from deformgan.errors import InputError, shortened
from deformgan.files import written_beside
from deformgan.reid.labels import LABELS, Label

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class GeneratedPhoto:
    """Origin of a generated photo; with the weights, it can be reproduced.

    Attributes:
        name: File name.
        source: File name of the photo of the person.
        target: File name of the photo of the target pose.
        identity: Identity it is labelled with.
        label: Labelling rule; see `labels.Label`.
        camera: Camera of the source, from 1.
        number: Number of the photo among those of its source, from 1.
        seed: Random seed of the run.
        attempt: Number of rejected poses before this one.
        weights: Name of the generator's weights.
        weights_sha256: SHA-256 of the weights file.
        scores: Scores of the quality gate, by name.
    """

    name: str
    source: str
    target: str
    identity: str
    label: Label
    camera: int
    number: int
    seed: int
    attempt: int
    weights: str
    weights_sha256: str
    scores: dict[str, float]


_TYPES = {field.name: field.type for field in fields(GeneratedPhoto)}


def as_json(photo: GeneratedPhoto) -> dict[str, Any]:
    """Return a photo as a JSON object: keys in field order, scores sorted by name."""
    return asdict(photo) | {"scores": dict(sorted(photo.scores.items()))}


def write_manifest(path: Path, photos: Iterable[GeneratedPhoto]) -> None:
    """Write a manifest atomically.

    Args:
        path: File to write, in an existing folder.
        photos: Photos in order; may be a stream that does not fit into memory.
    """
    with (
        written_beside(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for photo in photos:
            file.write(json.dumps(as_json(photo), ensure_ascii=False, allow_nan=False) + "\n")


def read_manifest(path: Path) -> list[GeneratedPhoto]:
    """Read a whole manifest."""
    return list(iterate_manifest(path))


def iterate_manifest(path: Path) -> Generator[GeneratedPhoto]:
    """Read a manifest line by line.

    Args:
        path: File to read.

    Yields:
        The photos; unknown keys are ignored.

    Raises:
        InputError: If a line is invalid; the message has file and line number.
    """
    lines_of: dict[str, int] = {}
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        photo = _parse(line, where)
        if photo.name in lines_of:
            raise InputError(f"{where}: {photo.name!r} is already on line {lines_of[photo.name]}.")
        lines_of[photo.name] = number
        yield photo


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from enumerate(file, start=1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The manifest {path} cannot be read: {shortened(error)}.") from None


def _parse(line: str, where: str) -> GeneratedPhoto:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InputError(f"{where}: {line.strip()[:60]!r} is not a JSON object.")
    missing = [name for name in _TYPES if name not in given]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} missing.")
    for name, kind in _TYPES.items():
        if not _fits(given[name], kind):
            raise InputError(f"{where}: {name} is {str(given[name])[:60]!r}, not {_WANTED[kind]}.")
    return GeneratedPhoto(**{name: given[name] for name in _TYPES})


_WANTED: dict[Any, str] = {
    str: "a string",
    int: "an integer",
    Label: f"one of {', '.join(LABELS)}",
    dict[str, float]: "an object of finite numbers",
}


def _fits(value: object, kind: object) -> bool:
    match kind:
        case _ if kind is str:
            return isinstance(value, str)
        case _ if kind is int:
            return type(value) is int
        case _ if kind == Label:
            return value in LABELS
    return isinstance(value, dict) and all(
        type(score) in (int, float) and math.isfinite(score) for score in value.values()
    )
