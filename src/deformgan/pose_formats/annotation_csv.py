"""The annotation table common in the field: `name:keypoints_y:keypoints_x`, one image per line.

A line is `file.jpg: [y of every joint]: [x of every joint]` in the order of the skeleton, for
people `openpose18`; the lists are JSON. A joint is missing if either of its coordinates is -1. The
table does not record its skeleton: the caller must know it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from deformgan.errors import InputError, shortened
from deformgan.files import check_inside, write_text
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations, are_numbers
from deformgan.pose_formats.shares import to_pixels
from deformgan.skeletons.openpose18 import OPENPOSE18

HEADER = "name:keypoints_y:keypoints_x"
MISSING = -1


def read_annotation_csv(path: str | Path, skeleton: Skeleton = OPENPOSE18) -> Annotations:
    """Read an annotation table.

    Coordinates are kept as written; a joint outside the image (other than at -1) counts as visible.

    Args:
        path: The table.
        skeleton: Skeleton of its poses.

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
    pose = to_pixels(Pose(joints, visible), [None] * len(joints), path)
    return Annotations(names, pose, source=str(path), skeleton=skeleton)


def parse_row(line: str, skeleton: Skeleton = OPENPOSE18) -> tuple[str, list[float], list[float]]:
    """Parse one line of an annotation table.

    Args:
        line: A non-empty line below the header.
        skeleton: Skeleton of the pose.

    Returns:
        Name, y of every joint, x of every joint, as written.
    """
    fields = line.split(":")
    count = len(skeleton.joints)
    if len(fields) != 3:
        raise InputError(
            f"{len(fields)} fields; a line is 'name: [{count} y]: [{count} x]', separated by ':'."
        )
    name = fields[0].strip()
    if not name:
        raise InputError("the name is empty.")
    check_inside(name)
    return name, _numbers(fields[1], "y", skeleton), _numbers(fields[2], "x", skeleton)


def write_annotation_csv(path: str | Path, annotations: Annotations) -> None:
    """Write an annotation table atomically.

    Integral coordinates are written without decimals, as in the published files, others with two
    decimals, which every reader that parses the lists as JSON accepts.

    Args:
        path: The table to write, in an existing folder.
        annotations: One pose per name, names without ':'.
    """
    path = Path(path)
    joints = annotations.pose.joints.tolist()
    visible = annotations.pose.visible.tolist()
    skeleton = annotations.skeleton
    if annotations.pose.joints.shape[1] != len(skeleton.joints):
        raise ValueError(
            f"{annotations.pose.joints.shape[1]} joints given, but {skeleton.name} has "
            f"{len(skeleton.joints)}."
        )
    lines = [HEADER]
    for name, xy, seen in zip(annotations.names, joints, visible, strict=True):
        if ":" in name:
            raise InputError(f"{name!r} cannot be written to {path}: the format separates by ':'.")
        columns = [
            "[" + ", ".join(_text(p[axis], s) for p, s in zip(xy, seen, strict=True)) + "]"
            for axis in (1, 0)
        ]
        lines.append(f"{name}: {columns[0]}: {columns[1]}")
    write_text(path, "\n".join(lines) + "\n")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the non-empty lines below the header with their line numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"The annotation table {path} cannot be read: {shortened(error)}."
        ) from error
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
    # A joint exactly at -1 would be read as missing, so move it by a hundredth of a pixel.
    return "-1.01" if text == str(MISSING) else text
