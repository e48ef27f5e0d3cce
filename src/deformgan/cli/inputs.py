"""What the commands that generate read: a source, a pose, a detector.

This imports torch, so commands import it inside their functions.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.checkpoint import has_layers
from deformgan.detectors import PeopleDetector, PoseDetector, find_people, load_detector
from deformgan.errors import InputError
from deformgan.framing import PHOTO_SUFFIXES, read_photo
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats import read_pose, read_single
from deformgan.scene import parse_background
from deformgan.skeletons import find_skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

WEIGHTS, BACKGROUND_WEIGHTS = "pedestrian", "pedestrian-background"


@dataclass(frozen=True)
class Posed:
    """Poses and the photos they were found in.

    Attributes:
        pose: One pose, or the frames of an animation.
        size: Height and width of the photos; None where a pose file does not tell.
        photo: The photo of one pose; None where it came from a file.
    """

    pose: Pose
    size: tuple[int, int] | None
    photo: UInt8[np.ndarray, "height width 3"] | None = None


def check_device(device: str) -> str:
    """Checks, before any work is done, that torch can compute on a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(
            f"The device {device!r} is not available here; give cpu, or cuda where there is a GPU."
        ) from None
    return device


def choose_weights(weights: str | None, background: str | None) -> str:
    """Return the weights to use where none are given.

    Args:
        weights: What `--weights` names, if it is given.
        background: What `--background` names; weights without layers need some of their own for a
            photo.
    """
    if weights is not None:
        return weights
    photo = background is not None and isinstance(parse_background(background), Path)
    return BACKGROUND_WEIGHTS if photo and not has_layers(WEIGHTS) else WEIGHTS


def read_size(size: str | None) -> tuple[int, int] | int | None:
    """Read what `--size` asks for: height and width, or the height alone."""
    if size is None:
        return None
    height, cross, width = size.lower().partition("x")
    if not (height.isdecimal() and (width.isdecimal() if cross else True)):
        raise InputError(
            f"--size is {size}; it must be HEIGHTxWIDTH, such as 512x256, or the height alone."
        )
    return (int(height), int(width)) if cross else int(height)


@cache
def open_detector(name_and_path: str) -> PoseDetector:
    """Loads the detector that `--detector` names, once for all that a command reads."""
    return load_detector(name_and_path)


def check_skeleton(asked: str | None, weights: Skeleton) -> Skeleton:
    """Gives the skeleton of the weights, which is the one that `--skeleton` names, if it is given.

    Args:
        asked: What `--skeleton` names.
        weights: What the generator understands.
    """
    if asked is not None and (given := find_skeleton(asked)) != weights:
        raise InputError(
            f"--skeleton is {asked} ({len(given.joints)} joints), but the weights were trained on "
            f"{weights.name} ({len(weights.joints)} joints)."
        )
    return weights


def check_detectable(skeleton: Skeleton, photo: Path, instead: str) -> None:
    """Refuses to look for joints that no detector knows.

    Args:
        skeleton: What is to be found.
        photo: Where.
        instead: What to give instead.
    """
    if skeleton.name != OPENPOSE18.name:
        raise InputError(
            f"No detector finds the joints of {skeleton.name} in {photo}; give {instead}."
        )


def read_source(
    source: Path,
    pose: str | None,
    detector: str,
    person: int = 0,
    skeleton: Skeleton = OPENPOSE18,
) -> tuple[UInt8[np.ndarray, "height width 3"], Pose]:
    """Reads the source photo and finds its person's joints.

    Args:
        source: The photo.
        pose: What `--source-pose` names, if it is given.
        detector: What `--detector` names; loaded where no pose is given.
        person: Which of several people, from 0, the largest.
        skeleton: Of the pose.
    """
    photo = read_photo(source)
    if pose is not None:
        return photo, read_pose(pose, skeleton=skeleton)
    check_detectable(skeleton, source, "its pose by --source-pose")
    return photo, detect(photo, source, open_detector(detector), person)


def read_target(
    spec: str, detector: str, person: int = 0, skeleton: Skeleton = OPENPOSE18
) -> Posed:
    """Finds the pose that is asked for.

    Args:
        spec: A photo, a pose file with one pose, or FILE:NAME for one of several.
        detector: What `--detector` names; loaded for a photo.
        person: Which of several people, from 0, the largest.
        skeleton: Of the pose.
    """
    path = Path(spec)
    file, colon, _ = spec.rpartition(":")
    named = bool(colon) and Path(file).is_file()  # the name of a pose may look like a photo's
    if path.suffix.lower() not in PHOTO_SUFFIXES or (named and not path.is_file()):
        annotation = read_single(spec, person=person if person else None, skeleton=skeleton)
        return Posed(annotation.pose, annotation.size)
    photo = read_photo(path)
    check_detectable(skeleton, path, "a pose file")
    return Posed(detect(photo, path, open_detector(detector), person), photo.shape[:2], photo)


def detect(
    photo: UInt8[np.ndarray, "height width 3"],
    path: Path,
    detector: PoseDetector | PeopleDetector,
    person: int = 0,
) -> Pose:
    """Finds a person in a photo, who must be there.

    Args:
        photo: RGB.
        path: Its file.
        detector: Any.
        person: Which of several people, from 0, the largest.
    """
    people = find_people(detector, photo)
    if not people:
        raise InputError(f"No person found in {path}.")
    if not 0 <= person < len(people):
        raise InputError(
            f"There is no person {person} in {path}: {len(people)} found, counted from 0, the "
            "largest."
        )
    return people[person].pose


def describe_pose(pose: Pose, skeleton: Skeleton = OPENPOSE18) -> dict[str, list[float]]:
    """Names the visible joints of one pose, for a report."""
    seen = zip(skeleton.joints, pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    return {joint: place for joint, place, visible in seen if visible}
