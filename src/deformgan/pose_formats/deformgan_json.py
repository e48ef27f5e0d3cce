"""The deformgan pose file: joints by name, one pose or the frames of an animation.

    {
      "skeleton": "openpose18",
      "size": [128, 64],
      "poses": {
        "walk_00": {"nose": [31.5, 18], "neck": [31, 29.25]},
        "walk_01": {"nose": [32, 18.5], "neck": [31.5, 29]}
      }
    }

`size` is the optional (height, width) of the images to which the poses belong. A missing joint is
omitted or null. The poses are in frame order.

Missing joints that `deformgan pose --repair` filled in are listed with the others, and once more
under "repaired" with the method used (see `detectors/repair.py`); readers may ignore that entry:

      "repaired": {"walk_01": {"nose": "time", "left_wrist": "twin"}}
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from deformgan.errors import InputError
from deformgan.files import write_text
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import Annotations, are_numbers
from deformgan.skeletons import SKELETONS


def is_deformgan(content: object) -> bool:
    """Return whether parsed JSON has this format."""
    return isinstance(content, dict) and "skeleton" in content and "poses" in content


def annotations_from_deformgan(
    content: dict,
    path: Path,
    asked: Skeleton | None = None,
    *,
    min_score: float | None = None,
    skip_odd: bool = False,
) -> Annotations:
    """Read all poses, in the file's order.

    Args:
        content: The parsed file.
        path: Path of the file, for error messages.
        asked: Required skeleton, if any; must be passed if it is not a built-in one.
        min_score: Not used, since this format has no scores.
        skip_odd: Not used, since this format is written by us.

    Returns:
        Poses of the skeleton that the file names.
    """
    name = content["skeleton"]
    if asked is not None and name != asked.name:
        raise InputError(f"{path}: its poses have the skeleton {name!r}, not {asked.name}.")
    if not isinstance(name, str) or (asked is None and name not in SKELETONS):
        raise InputError(
            f"{path}: unknown skeleton {name!r}; choose one of {', '.join(SKELETONS)}, or pass "
            "your own with --skeleton FILE."
        )
    skeleton = asked or SKELETONS[name]
    size = content.get("size")
    if size is not None and not (are_numbers(size, 2) and min(size) >= 1):
        raise InputError(f"{path}: 'size' is {size!r}; it must be [height, width] in pixels.")
    poses = content["poses"]
    if not isinstance(poses, dict):
        raise InputError(f"{path}: 'poses' is not an object of poses by name.")
    joints = torch.zeros(len(poses), len(skeleton.joints), 2)
    visible = torch.zeros(len(poses), len(skeleton.joints), dtype=torch.bool)
    for row, (frame, pose) in enumerate(poses.items()):
        if not isinstance(pose, dict):
            raise InputError(f"{path}: pose {frame!r} is not an object of joints by name.")
        for joint, place in pose.items():
            if joint not in skeleton.joints:
                raise InputError(
                    f"{path}: pose {frame!r} has an unknown joint {joint!r}; the joints of {name} "
                    f"are {', '.join(skeleton.joints)}."
                )
            if place is None:
                continue
            if not are_numbers(place, 2):
                raise InputError(f"{path}: {joint!r} of pose {frame!r} is not [x, y]: {place!r}.")
            joints[row, skeleton.index(joint)] = torch.tensor(place, dtype=torch.float32)
            visible[row, skeleton.index(joint)] = True
    size = None if size is None else (int(size[0]), int(size[1]))
    return Annotations(list(poses), Pose(joints, visible), size, str(path), skeleton)


def write_deformgan_json(
    path: str | Path,
    annotations: Annotations,
    repaired: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write a pose file atomically.

    Args:
        path: The file to write, in an existing folder.
        annotations: One pose per name; coordinates are rounded to a thousandth of a pixel.
        repaired: Method by which each filled joint was found, by pose and joint. None if no repair
            was attempted; empty if none was needed.
    """
    if len(set(annotations.names)) != len(annotations.names):
        raise ValueError("a pose file holds one pose per name, but a name occurs twice.")
    skeleton = annotations.skeleton
    joints = annotations.pose.joints.tolist()
    visible = annotations.pose.visible.tolist()
    lines = [
        f"    {json.dumps(name)}: {json.dumps(_named(skeleton, xy, seen))}"
        for name, xy, seen in zip(annotations.names, joints, visible, strict=True)
    ]
    head = [f'  "skeleton": {json.dumps(skeleton.name)}']
    if annotations.size is not None:
        head.append(f'  "size": {json.dumps(list(annotations.size))}')
    poses = '  "poses": {\n' + ",\n".join(lines) + "\n  }"
    entries = [*head, poses]
    if repaired is not None:
        flags = [f"    {json.dumps(name)}: {json.dumps(how)}" for name, how in repaired.items()]
        entries.append('  "repaired": {\n' + ",\n".join(flags) + "\n  }")
    write_text(Path(path), "{\n" + ",\n".join(entries) + "\n}\n")


def _named(
    skeleton: Skeleton, joints: list[list[float]], visible: list[bool]
) -> Mapping[str, list[float]]:
    return {
        name: [round(value, 3) for value in xy]
        for name, xy, seen in zip(skeleton.joints, joints, visible, strict=True)
        if seen
    }
