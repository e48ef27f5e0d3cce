"""OpenPose's output per frame: `{"people": [{"pose_keypoints_2d": [x, y, score, ...]}]}`.

75 numbers are BODY_25; 54 are the older COCO order, which is that of `openpose18`. BODY_25 has the
mid-hip at index 8 and six foot points at the end, which are dropped; the other joints are the same.
A joint is missing if its score is 0. Coordinates are pixels of the image (OpenPose's default,
`--keypoint_scale 0`), or shares of it if `canvas_width` and `canvas_height` state its size, as in
files of ControlNet and DWPose.
"""

from pathlib import Path

from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats.annotations import Annotations
from deformgan.pose_formats.keypoints import (
    OddPersonError,
    as_size,
    check_numbers,
    see,
    skip,
    to_pose,
    to_tensor,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

# Indices of the joints of openpose18 in BODY_25 and in the COCO order.
_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_COCO_18 = tuple(range(18))
_ORDERS = {3 * 25: _BODY_25, 3 * 18: _COCO_18}
_WANTED = "'pose_keypoints_2d' of an OpenPose file has 75 numbers (BODY_25) or 54 (COCO)"


def is_openpose(content: object) -> bool:
    """Return whether parsed JSON has this format; ControlNet writes a list with one such frame."""
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def annotations_from_openpose(
    content: dict | list,
    path: Path,
    asked: Skeleton | None = None,
    *,
    min_score: float | None = None,
    skip_odd: bool = False,
) -> Annotations:
    """Read the poses of everyone in one frame.

    People without a body (of whom hands or a face were found) are left out.

    Args:
        content: The parsed file.
        path: Path of the file; the frame is named after it, without `_keypoints.json`.
        asked: Required skeleton, if any; only `openpose18` is possible.
        min_score: Least score of a joint; by default all scores above 0.
        skip_odd: Whether to leave out people that cannot be read.

    Returns:
        One pose of `openpose18` per person, in the file's order, all with the same name.
    """
    if asked is not None and asked.name != OPENPOSE18.name:
        raise InputError(f"{path}: OpenPose's people have {OPENPOSE18.name}, not {asked.name}.")
    frame = content[0] if isinstance(content, list) else content
    rows = []
    for index, person in enumerate(frame["people"]):
        try:
            row = _row(person, f"{path}: person {index}")
        except OddPersonError as error:
            skip(error, skip_odd)
        else:
            rows += [] if row is None else [row]
    keypoints = to_tensor(rows, 18)
    scores = keypoints[..., 2]
    visible = scores > 0 if min_score is None else see(scores, min_score, path)
    name = path.stem.removesuffix("_keypoints")
    size = as_size(frame.get("canvas_height"), frame.get("canvas_width"))
    return Annotations([name] * len(rows), to_pose(keypoints, visible), size, source=str(path))


def _row(person: object, where: str) -> list[list[float]] | None:
    """Return a person's triples in the order of `openpose18`; None without a body."""
    if not isinstance(person, dict):
        raise OddPersonError(f"{where} is not an object.")
    # OpenPose 1.0 wrote the shorter name.
    values = person.get("pose_keypoints_2d", person.get("pose_keypoints"))
    others = any(str(name).startswith(("face", "hand")) for name in person)
    if values == [] or (values is None and others):
        return None
    numbers = check_numbers(values, tuple(_ORDERS), where, _WANTED)
    triples = [numbers[start : start + 3] for start in range(0, len(numbers), 3)]
    return [triples[joint] for joint in _ORDERS[len(numbers)]]
