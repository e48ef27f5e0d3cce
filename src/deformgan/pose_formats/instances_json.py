"""Keypoints of MMPose and of Ultralytics (YOLO-pose), as their tools write them.

MMPose writes, for a picture, a list of people `{"keypoints": [[x, y], ...], "keypoint_scores":
[...]}`, sometimes within a list of pictures, and for a video `[{"frame_id": 0, "instances":
[...]}, ...]`, sometimes as `instance_info` beside `meta_info`. Ultralytics writes a list of people
`{"keypoints": {"x": [...], "y": [...], "visible": [...]}}`. COCO's 17 joints are the first of
those of other sets with 26, 133 or 136, which are read too.
"""

from itertools import chain
from pathlib import Path
from typing import Any

from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats.annotations import Annotations
from deformgan.pose_formats.coco_json import COCO17, openpose18_from_coco17
from deformgan.pose_formats.keypoints import (
    COCO_COUNTS,
    OddPersonError,
    check_numbers,
    see,
    skip,
    to_pose,
    to_tensor,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

_WANTED = f"a person has 17 keypoints (COCO), or one of {COCO_COUNTS[1:]}"


def is_instances(content: object) -> bool:
    """Return whether parsed JSON has one of these forms."""
    frames = _frames(content, "")
    return frames is not None and any(people for _, people in frames)


def annotations_from_instances(
    content: Any,
    path: Path,
    asked: Skeleton | None = None,
    *,
    min_score: float | None = None,
    skip_odd: bool = False,
) -> Annotations:
    """Read the poses of everyone in every frame.

    Args:
        content: The parsed file.
        path: Path of the file; a single picture is named after it.
        asked: Required skeleton, if any; only `openpose18` is possible.
        min_score: Least score of a joint; by default `MIN_SCORE`.
        skip_odd: Whether to leave out people that cannot be read.
    """
    if asked is not None and asked.name != OPENPOSE18.name:
        raise InputError(f"{path}: COCO's people have {OPENPOSE18.name}, not {asked.name}.")
    names, rows = [], []
    frames = _frames(content, path.stem)
    assert frames is not None
    for name, people in frames:
        for index, person in enumerate(people):
            try:
                row = _row(person, f"{path}: person {index} of {name}")
            except OddPersonError as error:
                skip(error, skip_odd)
            else:
                names.append(name)
                rows.append(row)
    keypoints = to_tensor(rows, len(COCO17))
    visible = see(keypoints[..., 2], min_score, path)
    pose = openpose18_from_coco17(to_pose(keypoints, visible))
    return Annotations(names, pose, source=str(path))


def _frames(content: object, stem: str) -> list[tuple[str, list[Any]]] | None:
    """Return the people of each frame; None if this is another format."""
    if isinstance(content, dict):
        content = content.get("instance_info")
    if not isinstance(content, list):
        return None
    if content and all(isinstance(part, list) for part in content):
        content = list(chain.from_iterable(content))  # pictures of one person or more
    if not all(isinstance(part, dict) for part in content):
        return None
    if content and all(isinstance(part.get("instances"), list) for part in content):
        return [
            (f"{stem}_{part.get('frame_id', number)!s:.20}", part["instances"])
            for number, part in enumerate(content)
        ]
    known = [
        isinstance(part.get("keypoints"), dict) or "keypoint_scores" in part for part in content
    ]
    return [(stem, content)] if content and any(known) else None


def _row(person: object, where: str) -> list[float]:
    """Return a person's x, y and score of COCO's joints, one after the other."""
    found = person.get("keypoints") if isinstance(person, dict) else None
    if isinstance(found, dict):
        x, y, scores = (found.get(name) for name in ("x", "y", "visible"))
    else:
        assert isinstance(person, dict) or found is None
        places = found if isinstance(found, list) else []
        x, y = ([p[axis] if _is_place(p) else None for p in places] for axis in (0, 1))
        scores = person.get("keypoint_scores") if isinstance(person, dict) else None
    if scores is None and isinstance(x, list):
        scores = [1.0] * len(x)
    columns = [check_numbers(column, COCO_COUNTS, where, _WANTED) for column in (x, y, scores)]
    triples = list(zip(*columns, strict=False))[: len(COCO17)]
    if len(triples) < len(COCO17):
        raise OddPersonError(f"{where} has lists of different lengths; {_WANTED}.")
    return list(chain.from_iterable(triples))


def _is_place(place: object) -> bool:
    return isinstance(place, list) and len(place) >= 2
