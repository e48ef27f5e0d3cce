"""What the commands that generate read: a source, a pose, a detector.

This imports torch, so commands import it inside their functions.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.detectors import PoseDetector, find_person, load_detector
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import read_pose, read_single
from deformgan.predict import read_photo
from deformgan.skeletons.openpose18 import OPENPOSE18

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Posed:
    """Poses and the photos they were found in.

    Attributes:
        pose: One pose, or the frames of an animation.
        size: Height and width of the photos; None where a pose file does not tell.
    """

    pose: Pose
    size: tuple[int, int] | None


def check_device(device: str) -> str:
    """Checks, before any work is done, that torch can compute on a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(
            f"The device {device!r} is not available here; give cpu, or cuda where there is a GPU."
        ) from None
    return device


def open_detector(name_and_path: str | None) -> PoseDetector | None:
    """Loads the detector that `--detector` names, if it is given."""
    return None if name_and_path is None else load_detector(name_and_path)


def read_source(
    source: Path, pose: str | None, detector: PoseDetector | None
) -> tuple[UInt8[np.ndarray, "height width 3"], Pose]:
    """Reads the source photo and finds its person's joints.

    Args:
        source: The photo.
        pose: What `--source-pose` names, if it is given.
        detector: Asked where no pose is given.
    """
    photo = read_photo(source)
    if pose is not None:
        return photo, read_pose(pose)
    if detector is None:
        raise InputError(
            f"The pose of the person in {source} is not known; give --source-pose FILE, or "
            "--detector NAME:PATH to find it."
        )
    return photo, detect(photo, source, detector)


def read_target(spec: str, detector: PoseDetector | None) -> Posed:
    """Finds the pose that is asked for.

    Args:
        spec: A photo, a pose file with one pose, or FILE:NAME for one of several.
        detector: For a photo.
    """
    path = Path(spec)
    file, colon, _ = spec.rpartition(":")
    named = bool(colon) and Path(file).is_file()  # the name of a pose may look like a photo's
    if path.suffix.lower() not in PHOTO_SUFFIXES or (named and not path.is_file()):
        annotation = read_single(spec)
        return Posed(annotation.pose, annotation.size)
    photo = read_photo(path)
    if detector is None:
        raise InputError(
            f"{spec} is a photo: give --detector NAME:PATH to find the pose in it, or a pose file."
        )
    return Posed(detect(photo, path, detector), photo.shape[:2])


def detect(photo: UInt8[np.ndarray, "height width 3"], path: Path, detector: PoseDetector) -> Pose:
    """Finds the person in a photo, who must be there.

    Args:
        photo: RGB.
        path: Its file.
        detector: Any.
    """
    found = find_person(detector, photo)
    if found is None:
        raise InputError(f"No person found in {path}.")
    return found.pose


def describe_pose(pose: Pose) -> dict[str, list[float]]:
    """Names the visible joints of one pose, for a report."""
    seen = zip(OPENPOSE18.joints, pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    return {joint: place for joint, place, visible in seen if visible}
