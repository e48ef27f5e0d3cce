"""Leaks: people in both training and test data."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from deformgan.datasets.cuhk03 import find_extracted_split, read_extracted_split
from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.tables import Tables
from deformgan.datasets.market_name import QUERY, TEST, TRAIN
from deformgan.datasets.splits import SPLIT_FILE
from deformgan.errors import InputError, shortened

Split = dict[str, list[str]]


def check_leaks(contents: Contents, tables: Tables) -> list[Finding]:
    """Find people in both splits, however the data set is split."""
    findings = []
    if contents.split_file is not None:
        split, reason = read_split(contents.split_file)
        if split is None:
            findings.append(Finding("bad-split", reason, SPLIT_FILE))
        else:
            findings += _check_split_file(contents, split)
    if contents.layout in ("cuhk03", "market1501", "synthetic"):
        findings += _between_folders(contents)
    if contents.split_file is None:
        findings += _in_extracted_split(contents)
    if contents.layout == "deepfashion":
        findings += _between_tables(contents, tables)
    return findings


def read_split(path: Path) -> tuple[Split | None, str]:
    """Read an identity split, or return the reason why it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return None, str(error.strerror)
    except UnicodeDecodeError:
        return None, "not a text file"
    except json.JSONDecodeError as error:
        return None, f"invalid JSON: {shortened(error)}"
    except (ValueError, RecursionError):
        return None, "invalid JSON"
    parts = content if isinstance(content, dict) else {}
    if not all(
        isinstance(parts.get(part), list) and all(isinstance(who, str) for who in parts[part])
        for part in ("train", "test")
    ):
        return None, 'not a split like {"train": ["0002", ...], "test": ["0007", ...]}'
    return {part: parts[part] for part in ("train", "test")}, ""


def _check_split_file(contents: Contents, split: Split) -> list[Finding]:
    file = contents.root / SPLIT_FILE
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    train, test = set(split["train"]), set(split["test"])
    findings = [
        Finding("leak", f"{who} is in train and in test", SPLIT_FILE, _last_line(lines, who))
        for who in sorted(train & test)
    ]
    # The split file divides the people of the training folder.
    present = {
        who
        for image, part in contents.images.items()
        if part.rpartition("/")[2] not in (TEST, QUERY)
        and (who := contents.identity(image)) is not None
        and not contents.is_nobody(image)
    }
    findings += [
        Finding("absent-identity", who, SPLIT_FILE, _last_line(lines, who))
        for who in sorted((train | test) - present)
    ]
    return findings + [Finding("unsplit-identity", who) for who in sorted(present - train - test)]


def _in_extracted_split(contents: Contents) -> list[Finding]:
    """Find people in both parts of the split that comes with extracted CUHK03 images."""
    if contents.cuhk03 is None or contents.cuhk03.kind != "extracted":
        return []
    file = find_extracted_split(contents.root, contents.cuhk03.boxes)
    if file is None:
        return []
    try:
        split = read_extracted_split(file)
    except InputError:
        return [Finding("bad-split", "not a list of splits as written by torchreid", file.name)]
    return [
        Finding("leak", f"{who} is in train and in test", file.name)
        for who in _in_both(split["train"], split["test"])
    ]


def _between_folders(contents: Contents) -> list[Finding]:
    images: dict[str, dict[str, list[str]]] = {TRAIN: {}, TEST: {}}
    for image, part in contents.images.items():
        identity = contents.identity(image)
        if identity is not None and not contents.is_nobody(image):
            side = TRAIN if part.rpartition("/")[2] == TRAIN else TEST
            images[side].setdefault(identity, []).append(image)
    return _shared(images[TRAIN], images[TEST], lambda image: (image, None), "leak")


def _between_tables(contents: Contents, tables: Tables) -> list[Finding]:
    """Compare the garments in training and test tables, for each of the two splits."""
    findings = []
    places: dict[str, tuple[str, int | None]] = {}
    by_folder: dict[str, dict[str, dict[str, list[str]]]] = {}
    for file, rows in tables.rows.items():
        folder, _, name = file.rpartition("/")
        side = next((side for side in ("train", "test") if side in name.lower()), None)
        if side is None:
            continue
        for row in rows:
            identity = contents.identity(row.name)
            if identity is not None:
                garments = by_folder.setdefault(folder, {"train": {}, "test": {}})[side]
                garments.setdefault(identity, []).append(place := f"{row.name} of {name}")
                places[place] = (file, row.line)
    for sides in by_folder.values():
        findings += _shared(sides["train"], sides["test"], places.__getitem__, "leak")
        train, test = (
            {_without_color(who): names for who, names in sides[side].items()}
            for side in ("train", "test")
        )
        both = set(sides["train"]) & set(sides["test"])
        for who in both:
            train.pop(_without_color(who), None)
        findings += _shared(train, test, places.__getitem__, "shared-item")
    return findings


def _shared(
    train: dict[str, list[str]],
    test: dict[str, list[str]],
    place_of: Callable[[str], tuple[str, int | None]],
    kind: str,
) -> list[Finding]:
    return [
        Finding(
            kind,
            f"{who} has {len(test[who])} images to test on and {len(train[who])} to train on, such "
            f"as {train[who][0]}",
            *place_of(test[who][0]),
        )
        for who in _in_both(train, test)
    ]


def _in_both(train: Iterable[str], test: Iterable[str]) -> list[str]:
    return sorted(set(train) & set(test))


def _without_color(garment: str) -> str:
    """Return the item of a garment, dropping the two digits of the color."""
    return garment[:-2]


def _last_line(lines: list[str], who: str) -> int | None:
    """Find the last line of the split file that mentions an identity."""
    found = [number for number, line in enumerate(lines, start=1) if json.dumps(who) in line]
    return found[-1] if found else None
