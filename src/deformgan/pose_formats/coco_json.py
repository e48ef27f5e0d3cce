"""COCO keypoints: a data set's annotation file, or the list of results that detectors write.

An annotation file is `{"images": [...], "annotations": [...]}`; its images are named by
`file_name`. A list of results is `[{"image_id": ..., "keypoints": [...], "score": ...}, ...]`; its
images are named by `image_id`. Keypoints are 17 triples (x, y, v). For another skeleton there is
one triple per joint, or for the first joints only: AP-10K's 17 are the first of `quadruped20`.

In an annotation file v is 0 for a joint that is not labelled, 1 for an occluded and 2 for a visible
one. Occluded joints count as visible here, because their position still locates the limb. In a list
of results (also AlphaPose's) v is the detector's score, which is never exactly 0, so joints count
from 0.3 on. Coordinates that are shares are scaled by the size of their image.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations
from deformgan.pose_formats.keypoints import (
    COCO_COUNTS,
    OddPersonError,
    as_size,
    check_numbers,
    see,
    skip,
    to_pose,
    to_tensor,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

COCO17 = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

# Indices in COCO17 of the shoulders; indices in (*COCO17, "neck") of the joints of openpose18.
SHOULDERS = [COCO17.index("right_shoulder"), COCO17.index("left_shoulder")]
OPENPOSE18_FROM_COCO17 = [(*COCO17, "neck").index(joint) for joint in OPENPOSE18.joints]


def openpose18_from_coco17(pose: Pose) -> Pose:
    """Convert COCO's 17 joints to OPENPOSE18: reorder them and add the neck.

    The neck is the midpoint of the shoulders, visible only if both are.
    """
    seen = pose.visible[:, SHOULDERS].all(dim=1, keepdim=True)
    neck = pose.joints[:, SHOULDERS].mean(dim=1, keepdim=True).masked_fill(~seen[..., None], 0.0)
    return Pose(
        torch.cat([pose.joints, neck], dim=1)[:, OPENPOSE18_FROM_COCO17],
        torch.cat([pose.visible, seen], dim=1)[:, OPENPOSE18_FROM_COCO17],
    )


def is_coco(content: object) -> bool:
    """Return whether parsed JSON has this format, in either form."""
    if isinstance(content, dict):
        return isinstance(content.get("annotations"), list) and "images" in content
    return isinstance(content, list) and all(
        isinstance(item, dict) and "keypoints" in item and "image_id" in item for item in content
    )


def annotations_from_coco(
    content: dict | list,
    path: Path,
    asked: Skeleton | None = None,
    *,
    min_score: float | None = None,
    skip_odd: bool = False,
) -> Annotations:
    """Read the poses of everyone in every image.

    Annotations without keypoints (boxes, crowds) are skipped.

    Args:
        content: The parsed file.
        path: Path of the file, for error messages.
        asked: Required skeleton, by default `openpose18`, to which COCO's people are converted; for
            any other the keypoints are used unchanged.
        min_score: Least score of a joint in a list of results; by default `MIN_SCORE`.
        skip_odd: Whether to leave out people that cannot be read.

    Returns:
        One pose per person, in the file's order, named after the image. The size is set if all
        images share it.
    """
    if isinstance(content, list):
        items, images = content, None
    else:
        items, images = content["annotations"], _images(content["images"], path)
    skeleton = asked or OPENPOSE18
    convert = skeleton.name == OPENPOSE18.name
    names, rows, sizes = [], [], []
    for index, item in enumerate(items):
        try:
            found = _row(
                item, images, skeleton if not convert else None, f"{path}: annotation {index}"
            )
            if found is None:
                continue
            name, values, size = found
            if rows and len(values) != len(rows[0]):
                raise OddPersonError(
                    f"{path}: annotation {index} has {len(values)} numbers in 'keypoints', but "
                    f"earlier ones have {len(rows[0])}."
                )
        except OddPersonError as error:
            skip(error, skip_odd)
        else:
            names.append(name)
            rows.append(values)
            sizes.append(size)
    count = len(rows[0]) // 3 if rows else len(COCO17)
    keypoints = to_tensor(rows, count)
    flags = keypoints[..., 2]
    visible = see(flags, min_score, path) if images is None else flags > 0
    pose = to_pose(keypoints, visible)
    if convert:
        pose = openpose18_from_coco17(pose)
    else:
        lacking = len(skeleton.joints) - count
        pose = Pose(F.pad(pose.joints, (0, 0, 0, lacking)), F.pad(visible, (0, lacking)))
    common = _common_size(list((images or {}).values()))
    by_name = {name: size for name, size in zip(names, sizes, strict=True) if size is not None}
    return Annotations(names, pose, common, str(path), skeleton, by_name)


def _row(
    item: object, images: dict[int | str, dict] | None, skeleton: Skeleton | None, where: str
) -> tuple[str, list[float], tuple[int, int] | None] | None:
    """Return an annotation's image, keypoints and size; None if it has no keypoints.

    Args:
        item: The annotation.
        images: The file's images by id; None for a list of results.
        skeleton: Skeleton of the keypoints; None for COCO's people.
        where: The file and the annotation, for errors.
    """
    if not isinstance(item, dict):
        raise OddPersonError(f"{where} is not an object.")
    values = item.get("keypoints")
    if values is None or values == [] or item.get("num_keypoints") == 0:
        return None
    if skeleton is None:
        counts, what = COCO_COUNTS, "51 numbers in 'keypoints'"
    else:
        counts = tuple(range(1, len(skeleton.joints) + 1))
        what = f"{3 * counts[-1]} numbers in 'keypoints', 3 for each joint of {skeleton.name}"
    values = check_numbers(
        values, tuple(3 * count for count in counts), where, f"it has no list of {what}"
    )
    if skeleton is None:
        values = values[: 3 * len(COCO17)]
    image_id = item.get("image_id")
    if images is None:
        return str(image_id), values, None
    image = images.get(image_id) if isinstance(image_id, int | str) else None
    if image is None:
        raise OddPersonError(f"{where} has the unlisted image {image_id!r:.60}.")
    return image["file_name"], values, as_size(image.get("height"), image.get("width"))


def _common_size(images: list[dict]) -> tuple[int, int] | None:
    sizes = [as_size(image.get("height"), image.get("width")) for image in images]
    return sizes[0] if sizes and all(size == sizes[0] for size in sizes) else None


def _images(images: object, path: Path) -> dict[int | str, dict]:
    if not isinstance(images, list) or not all(
        isinstance(image, dict)
        and isinstance(image.get("id"), int | str)
        and isinstance(image.get("file_name"), str)
        for image in images
    ):
        raise InputError(f"{path}: 'images' is not a list of objects with 'id' and 'file_name'.")
    return {image["id"]: image for image in images}
