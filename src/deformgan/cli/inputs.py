"""Inputs shared by the commands that generate: sources, poses, detectors, devices.

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
        pose: One pose, or one per frame of an animation.
        size: Height and width of the photos; None if a pose file does not state it.
        photo: The photo of a single pose; None if the pose came from a file.
    """

    pose: Pose
    size: tuple[int, int] | None
    photo: UInt8[np.ndarray, "height width 3"] | None = None


def check_device(device: str) -> str:
    """Raise `InputError` unless torch can compute on a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(
            f"The device {device!r} is not available; use cpu, or cuda on a machine with a GPU."
        ) from None
    return device


def choose_weights(weights: str | None, background: str | None) -> str:
    """Return the weights to use.

    Args:
        weights: Value of `--weights`; None if the flag is not given.
        background: Value of `--background`; weights without layers need a variant of their own for
            a background photo.
    """
    if weights is not None:
        return weights
    photo = background is not None and isinstance(parse_background(background), Path)
    return BACKGROUND_WEIGHTS if photo and not has_layers(WEIGHTS) else WEIGHTS


def read_size(size: str | None) -> tuple[int, int] | int | None:
    """Parse `--size`: height and width, or the height alone."""
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
    """Load the detector named by `--detector`, once per command."""
    return load_detector(name_and_path)


def check_skeleton(asked: str | None, weights: Skeleton) -> Skeleton:
    """Return the skeleton of the weights, after checking that `--skeleton` agrees with it.

    Args:
        asked: Value of `--skeleton`; None if the flag is not given.
        weights: Skeleton that the generator was trained on.
    """
    if asked is not None and (given := find_skeleton(asked)) != weights:
        raise InputError(
            f"--skeleton is {asked} ({len(given.joints)} joints), but the weights were trained on "
            f"{weights.name} ({len(weights.joints)} joints)."
        )
    return weights


def check_detectable(skeleton: Skeleton, photo: Path, instead: str) -> None:
    """Raise `InputError` if no detector finds the joints of a skeleton.

    Args:
        skeleton: Skeleton to detect.
        photo: Photo or video to search, for the message.
        instead: Input to use instead, for the message.
    """
    if skeleton.name != OPENPOSE18.name:
        raise InputError(
            f"No detector finds the joints of {skeleton.name} in {photo}; use {instead}."
        )


def read_source(
    source: Path,
    pose: str | None,
    detector: str,
    person: int = 0,
    skeleton: Skeleton = OPENPOSE18,
) -> tuple[UInt8[np.ndarray, "height width 3"], Pose]:
    """Read the source photo and the pose of its person.

    Args:
        source: Path of the photo.
        pose: Value of `--source-pose`; None to detect the pose.
        detector: Value of `--detector`; loaded only if the pose must be detected.
        person: Index of the person by size; 0 is the largest.
        skeleton: Skeleton of the pose.
    """
    photo = read_photo(source)
    if pose is not None:
        return photo, read_pose(pose, skeleton=skeleton)
    check_detectable(skeleton, source, "--source-pose")
    return photo, detect(photo, source, open_detector(detector), person)


def read_target(
    spec: str, detector: str, person: int = 0, skeleton: Skeleton = OPENPOSE18
) -> Posed:
    """Read the target pose.

    Args:
        spec: A photo, a pose file with one pose, or FILE:NAME for one of several.
        detector: Value of `--detector`; loaded only for a photo.
        person: Index of the person by size; 0 is the largest.
        skeleton: Skeleton of the pose.
    """
    path = Path(spec)
    file, colon, _ = spec.rpartition(":")
    named = bool(colon) and Path(file).is_file()  # a pose's name may end like a photo's
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
    """Detect the pose of a person in a photo, or raise `InputError` if there is none.

    Args:
        photo: RGB.
        path: File of the photo, for messages.
        detector: A pose detector, for one person or for several.
        person: Index of the person by size; 0 is the largest.
    """
    people = find_people(detector, photo)
    if not people:
        raise InputError(f"No person found in {path}.")
    if not 0 <= person < len(people):
        raise InputError(
            f"There is no person {person} in {path}: {len(people)} found, numbered from 0, the "
            "largest."
        )
    return people[person].pose


def describe_pose(pose: Pose, skeleton: Skeleton = OPENPOSE18) -> dict[str, list[float]]:
    """Return the visible joints of a single pose by name, for a report."""
    seen = zip(skeleton.joints, pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    return {joint: place for joint, place, visible in seen if visible}
