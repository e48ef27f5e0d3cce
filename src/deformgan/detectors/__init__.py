"""Pose detectors by name; each file is one."""

from collections.abc import Callable
from pathlib import Path

from deformgan.detectors.movenet import MoveNet
from deformgan.detectors.person import Detection, PoseDetector, find_person
from deformgan.errors import InputError

DETECTORS: dict[str, Callable[[Path], PoseDetector]] = {"movenet": MoveNet}

__all__ = ["DETECTORS", "Detection", "PoseDetector", "find_person", "load_detector"]


def load_detector(name_and_path: str) -> PoseDetector:
    """Loads a pose detector.

    Args:
        name_and_path: "NAME:PATH", the detector's name and its model file.
    """
    name, colon, path = name_and_path.partition(":")
    if name not in DETECTORS:
        raise InputError(f"Unknown detector {name!r}; choose one of {_forms()}.")
    if not colon or not path:
        raise InputError(f"The detector {name!r} needs its model file: {_forms()}.")
    if not Path(path).is_file():
        raise InputError(f"The detector's model file {path} does not exist.")
    return DETECTORS[name](Path(path))


def _forms() -> str:
    return ", ".join(f"{name}:PATH" for name in DETECTORS)
