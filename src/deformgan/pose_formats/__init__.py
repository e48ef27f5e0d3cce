"""Pose files: annotation CSV, our JSON, OpenPose and COCO JSON, recognized by content.

If a format uses other joints than `openpose18`, its module's docstring describes the conversion.
All formats count pixels from the centre of the top-left one, so coordinates are never shifted.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

from deformgan.errors import InputError, shortened
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotation_csv import HEADER, read_annotation_csv, write_annotation_csv
from deformgan.pose_formats.annotations import Annotations, largest
from deformgan.pose_formats.coco_json import annotations_from_coco, is_coco
from deformgan.pose_formats.deformgan_json import (
    annotations_from_deformgan,
    is_deformgan,
    write_deformgan_json,
)
from deformgan.pose_formats.instances_json import annotations_from_instances, is_instances
from deformgan.pose_formats.openpose_json import annotations_from_openpose, is_openpose
from deformgan.pose_formats.shares import to_pixels
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
    '{"skeleton": ..., "poses": ...}, OpenPose\'s {"people": ...}, COCO keypoints, MMPose or YOLO'
)
JSON_FORMATS = {
    "deformgan": (is_deformgan, annotations_from_deformgan),
    "openpose": (is_openpose, annotations_from_openpose),
    "coco": (is_coco, annotations_from_coco),
    "instances": (is_instances, annotations_from_instances),
}
YOLO_LABEL = re.compile(r"\d+( -?[\d.]+(e-?\d+)?){10,}")


def read_annotations(
    path: str | Path,
    skeleton: Skeleton | None = None,
    *,
    min_score: float | None = None,
    skip_odd: bool = False,
) -> Annotations:
    """Read all poses from a file of any supported format.

    Args:
        path: The file.
        skeleton: Skeleton that the file must have. By default the one the file names, or
            `openpose18` if it names none.
        min_score: Least score of a joint in files of detectors; by default the format's.
        skip_odd: Whether to leave out single people that cannot be read, as in a film, with a
            warning.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, UnicodeDecodeError):
            raise InputError(f"{path} is not a text file; a pose file is {FORMATS}.") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The pose file {path} cannot be read: {reason}.") from error
    if path.suffix.lower() == ".csv" or text.startswith(HEADER):
        return read_annotation_csv(path, skeleton or OPENPOSE18)
    if YOLO_LABEL.fullmatch(text.partition("\n")[0].strip()):
        raise InputError(
            f"{path} is a label file of YOLO, whose coordinates are shares of the picture; it does "
            "not state the picture's size. Use the JSON that `results.to_json()` returns."
        )
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: invalid JSON; a pose file is {FORMATS}."
        ) from error
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        raise InputError(
            f"{path}: invalid JSON ({shortened(error)}); a pose file is {FORMATS}."
        ) from error
    for matches, annotations_from in JSON_FORMATS.values():
        if matches(content):
            found = annotations_from(
                content, path, skeleton, min_score=min_score, skip_odd=skip_odd
            )
            sizes = [found.size_of(name) for name in found.names]
            return replace(found, pose=to_pixels(found.pose, sizes, path))
    raise InputError(f"{path} has an unknown format; a pose file is {FORMATS}.")


def write_annotations(path: str | Path, annotations: Annotations) -> None:
    """Write an annotation table (`.csv`) or our JSON (`.json`), depending on the file extension."""
    writers = {".csv": write_annotation_csv, ".json": write_deformgan_json}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise InputError(f"{path}: a pose file must end in {' or '.join(writers)}.")
    writers[suffix](path, annotations)


def read_pose(
    spec: str | Path,
    name: str | None = None,
    person: int | None = None,
    skeleton: Skeleton | None = None,
    *,
    min_score: float | None = None,
) -> Pose:
    """Read one pose; see `read_single`.

    Returns:
        A batch of one.
    """
    return read_single(spec, name, person, skeleton, min_score=min_score).pose


def read_single(
    spec: str | Path,
    name: str | None = None,
    person: int | None = None,
    skeleton: Skeleton | None = None,
    *,
    min_score: float | None = None,
) -> Annotations:
    """Read one pose, and the size of its image if the file contains it.

    Args:
        spec: A pose file, or `FILE:NAME` for one of several poses in it.
        name: Name of the pose, if not part of `spec`. Optional if the file has only one.
        person: Index of the person if the image shows several, in the file's order from 0; by
            default the one whose visible joints span the largest box.
        skeleton: See `read_annotations`.
        min_score: See `read_annotations`.

    Returns:
        A single pose.
    """
    path, name = _split(spec, name)
    annotations = read_annotations(path, skeleton, min_score=min_score)
    if name is None:
        if len(annotations.rows) != 1:
            raise InputError(
                f"{path} has {len(annotations.rows)} poses"
                + (f"; choose one: '{path}:NAME'." if annotations.rows else ", one is needed.")
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
    """Split `FILE:NAME`, unless a file has that whole string as its name."""
    if name is None and (parts := split_spec(str(spec))) is not None:
        return parts
    return Path(spec), name


def split_spec(spec: str) -> tuple[Path, str] | None:
    """Split `FILE:NAME` at the first ':' before which there is a file; both may contain others.

    Returns:
        File and name; None if a file has the whole string as its name, or there is no file.
    """
    if is_file(Path(spec)):
        return None
    places = [place for place, letter in enumerate(spec) if letter == ":"]
    return next(
        ((Path(spec[:at]), spec[at + 1 :]) for at in places if is_file(Path(spec[:at]))), None
    )


def is_file(path: Path) -> bool:
    """Return whether there is such a file; False for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL
        return False
