"""Manifest: what every generated photo was made from, and how, one JSON object a line."""

import json
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from deformgan.errors import InputError
from deformgan.reid.labels import LABELS, Label

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class GeneratedPhoto:
    """A generated photo's origin. With the weights at hand it can be made again.

    Attributes:
        name: Its file name.
        source: File name of the photo of the person.
        target: File name of the photo whose pose was asked for.
        identity: Whom it is filed under.
        label: How that identity came about; see `labels.Label`.
        camera: From 1; the source's.
        number: Which photo of that source it is, from 1.
        seed: Of the run.
        attempt: How many poses were drawn for it before the one that passed the gate, from 0.
        weights: What the generator is called.
        weights_sha256: Of the generator's file.
        scores: What the quality gate measured, by name.
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
    """Gives what JSON says of a photo: keys in order, scores by name."""
    return asdict(photo) | {"scores": dict(sorted(photo.scores.items()))}


def write_manifest(path: Path, photos: Iterable[GeneratedPhoto]) -> None:
    """Writes a manifest, whole or not at all.

    Args:
        path: The file; its folder exists.
        photos: In the order of the lines; may be more than fit into memory.
    """
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        for photo in photos:
            file.write(json.dumps(as_json(photo), ensure_ascii=False, allow_nan=False) + "\n")
    beside.replace(path)


def read_manifest(path: Path) -> list[GeneratedPhoto]:
    """Reads a manifest, all of it."""
    return list(iterate_manifest(path))


def iterate_manifest(path: Path) -> Generator[GeneratedPhoto]:
    """Reads a manifest line by line.

    Args:
        path: The file.

    Yields:
        The photos. What is wrong with a line is an error that names file and line; keys that are
        not known are passed over.
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
        raise InputError(f"The manifest {path} cannot be read: {error}.") from None


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
    str: "a text",
    int: "a whole number",
    Label: f"one of {', '.join(LABELS)}",
    dict[str, float]: "numbers by name",
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
