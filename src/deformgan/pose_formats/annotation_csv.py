"""The field's annotation table: `name:keypoints_y:keypoints_x`, one image per line.

A line is `file.jpg: [y of every joint]: [x of every joint]` in the order of the skeleton, for
people `openpose18`; the lists are JSON. A joint is missing if either of its coordinates is -1. A
table does not say of which skeleton it is: who reads it does.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations, are_numbers, write_whole
from deformgan.skeletons.openpose18 import OPENPOSE18

HEADER = "name:keypoints_y:keypoints_x"
MISSING = -1


def read_annotation_csv(path: str | Path, skeleton: Skeleton = OPENPOSE18) -> Annotations:
    """Reads an annotation table.

    Coordinates are taken as they are written; a joint outside the image (other than at -1) is
    visible.

    Args:
        path: The table.
        skeleton: What its joints are.

    Returns:
        The poses by file name. Missing joints are at (0, 0).
    """
    path = Path(path)
    names: list[str] = []
    rows: list[list[list[float]]] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            name, y, x = parse_row(line, skeleton)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        if name in seen:
            raise InputError(f"{path}, line {number}: {name!r} is already on line {seen[name]}.")
        seen[name] = number
        names.append(name)
        rows.append([x, y])
    values = torch.tensor(rows, dtype=torch.float32).reshape(len(names), 2, len(skeleton.joints))
    joints = values.transpose(1, 2)
    visible = (joints != MISSING).all(dim=-1)
    joints = joints.masked_fill(~visible[..., None], 0.0).contiguous()
    return Annotations(names, Pose(joints, visible), source=str(path), skeleton=skeleton)


def parse_row(line: str, skeleton: Skeleton = OPENPOSE18) -> tuple[str, list[float], list[float]]:
    """Reads one line of an annotation table.

    Args:
        line: Below the header, not empty.
        skeleton: What its joints are.

    Returns:
        Name, y of every joint, x of every joint, as they are written.
    """
    fields = line.split(":")
    count = len(skeleton.joints)
    if len(fields) != 3:
        raise InputError(
            f"{len(fields)} fields; a line is 'name: [{count} y]: [{count} x]', parted by ':'."
        )
    name = fields[0].strip()
    if not name:
        raise InputError("the name is empty.")
    return name, _numbers(fields[1], "y", skeleton), _numbers(fields[2], "x", skeleton)


def write_annotation_csv(path: str | Path, annotations: Annotations) -> None:
    """Writes an annotation table, whole or not at all.

    Whole numbers are written as whole numbers, as the field's files have them, and others with two
    decimals, which every reader of the format that parses JSON takes.

    Args:
        path: The table to write; its folder exists.
        annotations: One pose per name, names without ':'.
    """
    path = Path(path)
    joints = annotations.pose.joints.tolist()
    visible = annotations.pose.visible.tolist()
    skeleton = annotations.skeleton
    if annotations.pose.joints.shape[1] != len(skeleton.joints):
        raise ValueError(
            f"{annotations.pose.joints.shape[1]} joints given, a pose of {skeleton.name} has "
            f"{len(skeleton.joints)}."
        )
    lines = [HEADER]
    for name, xy, seen in zip(annotations.names, joints, visible, strict=True):
        if ":" in name:
            raise InputError(f"{name!r} cannot be written to {path}: the format parts by ':'.")
        columns = [
            "[" + ", ".join(_text(p[axis], s) for p, s in zip(xy, seen, strict=True)) + "]"
            for axis in (1, 0)
        ]
        lines.append(f"{name}: {columns[0]}: {columns[1]}")
    write_whole(path, "\n".join(lines) + "\n")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the numbered, non-empty lines below the header."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The annotation table {path} cannot be read: {error}.") from error
    if not lines or lines[0].strip() != HEADER:
        raise InputError(f"{path}, line 1: the header of an annotation table is '{HEADER}'.")
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            yield number, line


def _numbers(text: str, axis: str, skeleton: Skeleton) -> list[float]:
    try:
        numbers = json.loads(text)
    except (ValueError, RecursionError):
        numbers = None
    count = len(skeleton.joints)
    if not are_numbers(numbers, count):
        of = "" if skeleton is OPENPOSE18 else f", one for each joint of {skeleton.name}"
        raise InputError(
            f"the {axis} coordinates are not a list of {count} numbers{of}: {text.strip()[:60]!r}."
        )
    return [float(number) for number in numbers]


def _text(value: float, seen: bool) -> str:
    if not seen:
        return str(MISSING)
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    if text == "-0":
        return "0"
    # A joint that really lies at -1 would be read as missing: a hundredth of a pixel saves it.
    return "-1.01" if text == str(MISSING) else text
