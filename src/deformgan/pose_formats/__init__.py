"""Poses from files: the field's CSV, our JSON, OpenPose's and COCO's, told apart by content.

Where a format has other joints than `openpose18`, its module's docstring has the rule that converts
them. All count pixels from the centre of the top-left one, so coordinates are never shifted.
"""

import json
from dataclasses import replace
from pathlib import Path

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotation_csv import HEADER, read_annotation_csv, write_annotation_csv
from deformgan.pose_formats.annotations import Annotations, largest
from deformgan.pose_formats.coco_json import annotations_from_coco, is_coco
from deformgan.pose_formats.deformgan_json import (
    annotations_from_deformgan,
    is_deformgan,
    write_deformgan_json,
)
from deformgan.pose_formats.openpose_json import annotations_from_openpose, is_openpose
from deformgan.skeletons.openpose18 import OPENPOSE18

__all__ = [
    "Annotations",
    "read_annotation_csv",
    "read_annotations",
    "read_pose",
    "read_single",
    "write_annotation_csv",
    "write_annotations",
    "write_deformgan_json",
]

FORMATS = (
    f"an annotation table ('{HEADER}'), or JSON: "
    '{"skeleton": ..., "poses": ...}, OpenPose\'s {"people": ...}, or COCO keypoints'
)
JSON_FORMATS = {
    "deformgan": (is_deformgan, annotations_from_deformgan),
    "openpose": (is_openpose, annotations_from_openpose),
    "coco": (is_coco, annotations_from_coco),
}


def read_annotations(path: str | Path, skeleton: Skeleton | None = None) -> Annotations:
    """Reads all poses of a file of any known format.

    Args:
        path: The file.
        skeleton: What its joints have to be. By default what the file says; a format that does not
            say it, or cannot, is of `openpose18`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The pose file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file; a pose file is {FORMATS}.") from error
    if path.suffix.lower() == ".csv" or text.startswith(HEADER):
        return read_annotation_csv(path, skeleton or OPENPOSE18)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: no valid JSON; a pose file is {FORMATS}."
        ) from error
    for matches, annotations_from in JSON_FORMATS.values():
        if matches(content):
            return annotations_from(content, path, skeleton)
    raise InputError(f"{path} is of no known format; a pose file is {FORMATS}.")


def write_annotations(path: str | Path, annotations: Annotations) -> None:
    """Writes an annotation table or our JSON, as the file's name ends in `.csv` or `.json`."""
    writers = {".csv": write_annotation_csv, ".json": write_deformgan_json}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: a pose file ends in {' or '.join(writers)}.")
    writers[suffix](path, annotations)


def read_pose(
    spec: str | Path,
    name: str | None = None,
    person: int | None = None,
    skeleton: Skeleton | None = None,
) -> Pose:
    """Reads one pose; see `read_single`.

    Returns:
        A batch of one.
    """
    return read_single(spec, name, person, skeleton).pose


def read_single(
    spec: str | Path,
    name: str | None = None,
    person: int | None = None,
    skeleton: Skeleton | None = None,
) -> Annotations:
    """Reads one pose, and the size of its image where the file tells it.

    Args:
        spec: A pose file, or `FILE:NAME` for one of several poses in it.
        name: Which pose, where `spec` does not say it. Not needed for a file with one.
        person: Which of several people in one image, in the file's order from 0; by default the
            one whose visible joints span the largest box.
        skeleton: See `read_annotations`.

    Returns:
        One pose.
    """
    path, name = _split(spec, name)
    annotations = read_annotations(path, skeleton)
    if name is None:
        if len(annotations.rows) != 1:
            raise InputError(
                f"{path} holds {len(annotations.rows)} poses"
                + (f"; say which: '{path}:NAME'." if annotations.rows else ", one is needed.")
            )
        name = annotations.names[0]
    people = annotations.people(name)
    if person is None:
        pose = largest(people)
    elif 0 <= person < len(people):
        pose = people[[person]]
    else:
        raise InputError(
            f"{path} has no person {person} in {name!r}; there are {len(people)}, counted from 0."
        )
    return replace(annotations, names=[name], pose=pose)


def _split(spec: str | Path, name: str | None) -> tuple[Path, str | None]:
    """Parts `FILE:NAME`, where no file has the whole for its name."""
    path = Path(spec)
    if name is None and not path.exists():
        file, colon, rest = str(spec).rpartition(":")
        if colon and Path(file).is_file():
            return Path(file), rest
    return path, name
