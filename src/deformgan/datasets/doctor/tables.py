"""read_tables: read all tables of a data set, collecting unreadable lines as findings."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.pairs import HEADER as PAIR_HEADER
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats import read_annotations
from deformgan.pose_formats.annotation_csv import HEADER, MISSING, parse_row
from deformgan.skeletons.openpose18 import OPENPOSE18

_PAIR_HEADER = ",".join(PAIR_HEADER)
_MOST_BYTES = 1 << 28  # the largest published table has 16 million


@dataclass(frozen=True)
class Row:
    """One line of an annotation table.

    Attributes:
        file: The table.
        line: Line number from 1; None for JSON pose files.
        name: Image name.
        joints: (joints, 2): x and y in pixels, as written.
        visible: (joints,): whether both coordinates are present.
        size: (height, width) of the image according to the table, if it states that.
    """

    file: str
    line: int | None
    name: str
    joints: np.ndarray
    visible: np.ndarray
    size: tuple[int, int] | None = None


@dataclass
class Tables:
    """The tables of a data set.

    Attributes:
        skeleton: Skeleton of the poses.
        rows: Rows of every annotation table, in order.
        pairs: Line, source and target of every row of every pair table.
        findings: Anything that could not be read.
    """

    skeleton: Skeleton
    rows: dict[str, list[Row]] = field(default_factory=dict)
    pairs: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def read_tables(contents: Contents, skeleton: Skeleton = OPENPOSE18) -> Tables:
    """Read every table, skipping invalid lines."""
    tables = Tables(skeleton)
    for file in contents.tables:
        if file.lower().endswith(".csv"):
            _read_csv(contents.root, file, tables)
        else:
            _read_json(contents.root, file, tables)
    return tables


def _read_json(root: Path, file: str, tables: Tables) -> None:
    try:
        annotations = read_annotations(root / file, tables.skeleton)
    except InputError as error:
        reason = str(error)
    except Exception:  # other JSON may have unexpected types at any depth
        reason = "not a pose file"
    else:
        joints, visible = annotations.pose.joints.numpy(), annotations.pose.visible.numpy()
        tables.rows[file] = [
            Row(file, None, name, *pose, annotations.size_of(name))
            for name, *pose in zip(annotations.names, joints, visible, strict=True)
        ]
        return
    tables.findings.append(Finding("unreadable-table", reason, file))


def _read_csv(root: Path, file: str, tables: Tables) -> None:
    try:
        if (root / file).stat().st_size > _MOST_BYTES:
            raise OSError(None, "too large for a table")
        data = (root / file).read_bytes()
    except OSError as error:
        tables.findings.append(Finding("unreadable-table", str(error.strerror), file))
        return
    # Undecodable bytes become surrogates, so that only their lines are rejected.
    lines = data.decode("utf-8-sig", errors="surrogateescape").splitlines()
    header = lines[0].strip() if lines else ""
    if b"\0" in data[:4096] or not _is_text(header):
        tables.findings.append(Finding("unreadable-table", "not a text file", file))
    elif header == HEADER:
        tables.rows[file] = list(_annotation_rows(file, lines, 1, tables))
    elif header == _PAIR_HEADER:
        tables.pairs[file] = list(_pair_rows(file, lines, 1, tables.findings))
    elif _is_annotation_row(header, tables.skeleton) or "annotation" in file.lower():
        tables.findings.append(_bad_header(file, header, HEADER))
        tables.rows[file] = list(_annotation_rows(file, lines, 0, tables, header))
    elif "pairs" in file.lower():
        tables.findings.append(_bad_header(file, header, _PAIR_HEADER))
        tables.pairs[file] = list(_pair_rows(file, lines, 1, tables.findings))
    else:
        tables.findings.append(Finding("not-looked-at", "", file))


def _bad_header(file: str, header: str, wanted: str) -> Finding:
    return Finding("bad-header", f"{header[:60]!r} instead of '{wanted}'", file, 1)


def _annotation_rows(
    file: str, lines: list[str], skip: int, tables: Tables, header: str | None = None
) -> Iterator[Row]:
    """Parse lines, recording invalid ones as findings.

    Args:
        file: The table.
        lines: All lines of the file.
        skip: Number of lines to skip at the beginning.
        tables: Collects the findings.
        header: The first line, if it may be either a row or a wrong header already reported.
    """
    seen: dict[str, int] = {}
    findings = tables.findings
    for number, line in enumerate(lines[skip:], start=skip + 1):
        if not line.strip() or (
            number == 1 and header is not None and not _is_annotation_row(line, tables.skeleton)
        ):
            continue
        try:
            if not _is_text(line):
                raise InputError("bytes that are not UTF-8")
            name, y, x = parse_row(line, tables.skeleton)
        except InputError as error:
            findings.append(Finding("bad-row", str(error).rstrip("."), file, number))
            continue
        if name in seen:
            what = f"{name} is already on line {seen[name]}"
            findings.append(Finding("repeated-name", what, file, number))
            continue
        seen[name] = number
        joints = np.array([x, y], dtype=np.float32).T
        yield Row(file, number, name, joints, (joints != MISSING).all(axis=1))


def _pair_rows(
    file: str, lines: list[str], skip: int, findings: list[Finding]
) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(lines[skip:], start=skip + 1):
        if not line.strip():
            continue
        try:
            fields = next(csv.reader([line]))
        except csv.Error:
            fields = []
        if len(fields) != 2 or not all(fields) or not _is_text(line):
            what = f"{line.strip()[:60]!r}; a line must be two names, 'from,to'"
            findings.append(Finding("bad-row", what, file, number))
            continue
        yield number, fields[0], fields[1]


def _is_annotation_row(line: str, skeleton: Skeleton) -> bool:
    try:
        parse_row(line, skeleton)
    except InputError:
        return False
    return True


def _is_text(line: str) -> bool:
    return line.isascii() or not any("\udc80" <= char <= "\udcff" for char in line)
