"""COCO keypoints: a data set's annotation file, or the list of results that detectors write.

An annotation file is `{"images": [...], "annotations": [...]}`; its images are named by
`file_name`. A list of results is `[{"image_id": ..., "keypoints": [...], "score": ...}, ...]`; its
images are named by `image_id`. Keypoints are 17 triples (x, y, v). For another skeleton there is
one triple per joint, or for the first joints only: AP-10K's 17 are the first of `quadruped20`.

In an annotation file v is 0 for a joint that is not labelled, 1 for an occluded and 2 for a visible
one. Occluded joints count as visible here, because their position still locates the limb. In a list
of results v is the detector's score, which is never exactly 0, so joints count from 0.3 on.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from deformgan.errors import InputError
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations, are_numbers
from deformgan.skeletons.openpose18 import OPENPOSE18

MIN_SCORE = 0.3
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
    content: dict | list, path: Path, asked: Skeleton | None = None
) -> Annotations:
    """Read the poses of everyone in every image.

    Annotations without keypoints (boxes, crowds) are skipped.

    Args:
        content: The parsed file.
        path: Path of the file, for error messages.
        asked: Required skeleton, by default `openpose18`, to which COCO's people are converted; for
            any other the keypoints are used unchanged.

    Returns:
        One pose per person, in the file's order, named after the image. The size is set if all
        images share it.
    """
    if isinstance(content, list):
        items, images, least = content, None, MIN_SCORE
    else:
        items, images, least = content["annotations"], _images(content["images"], path), None
    skeleton = asked or OPENPOSE18
    convert = skeleton.name == OPENPOSE18.name
    counts = [len(COCO17)] if convert else list(range(1, len(skeleton.joints) + 1))
    names, rows = [], []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InputError(f"{path}: annotation {index} is not an object.")
        values = item.get("keypoints")
        if values is None or item.get("num_keypoints") == 0:
            continue
        if not any(are_numbers(values, 3 * count) for count in counts):
            raise InputError(
                f"{path}: annotation {index} has no list of {3 * counts[-1]} numbers in "
                f"'keypoints'{'' if convert else f', 3 for each joint of {skeleton.name}'}."
            )
        if rows and len(values) != len(rows[0]):
            raise InputError(
                f"{path}: annotation {index} has {len(values)} numbers in 'keypoints', but earlier "
                f"ones have {len(rows[0])}."
            )
        image_id = item.get("image_id")
        if images is not None and image_id not in images:
            raise InputError(f"{path}: annotation {index} has the unlisted image {image_id!r}.")
        names.append(str(image_id) if images is None else images[image_id]["file_name"])
        rows.append(values)
    count = len(rows[0]) // 3 if rows else counts[-1]
    keypoints = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), count, 3)
    flags = keypoints[..., 2]
    visible = flags > 0 if least is None else flags >= least
    joints = keypoints[..., :2].masked_fill(~visible[..., None], 0.0)
    if convert:
        pose = openpose18_from_coco17(Pose(joints, visible))
    else:
        lacking = len(skeleton.joints) - count
        pose = Pose(F.pad(joints, (0, 0, 0, lacking)), F.pad(visible, (0, lacking)))
    size = _common_size(list((images or {}).values()))
    return Annotations(names, pose, size, source=str(path), skeleton=skeleton)


def _common_size(images: list[dict]) -> tuple[int, int] | None:
    sizes = [[image.get("height"), image.get("width")] for image in images]
    if not sizes or any(size != sizes[0] for size in sizes) or not are_numbers(sizes[0], 2):
        return None
    return int(sizes[0][0]), int(sizes[0][1])


def _images(images: object, path: Path) -> dict[int | str, dict]:
    if not isinstance(images, list) or not all(
        isinstance(image, dict)
        and isinstance(image.get("id"), int | str)
        and isinstance(image.get("file_name"), str)
        for image in images
    ):
        raise InputError(f"{path}: 'images' is not a list of objects with 'id' and 'file_name'.")
    return {image["id"]: image for image in images}
