"""Pose detectors by name, one file each."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from deformgan.detectors.blazepose import BlazePose
from deformgan.detectors.keypoint_rcnn import KeypointRCNN
from deformgan.detectors.movenet import MoveNet
from deformgan.detectors.people import find_people, find_person
from deformgan.detectors.person import Detection, PeopleDetector, PoseDetector
from deformgan.detectors.pose18 import Pose18
from deformgan.detectors.simcc import SimCC
from deformgan.detectors.vitpose import ViTPose
from deformgan.errors import InputError

DETECTORS: dict[str, Callable[[Path | None], PoseDetector]] = {
    "pose18": Pose18,
    "movenet": MoveNet,
    "blazepose": BlazePose,
    "simcc": SimCC,
    "vitpose": ViTPose,
    "keypoint_rcnn": KeypointRCNN,
}
# Those that can download their model, if the user asks for it by `DOWNLOAD` in place of a path or
# before the name of a model.
DOWNLOADS: dict[str, Callable[[Path | None], PoseDetector]] = {
    "keypoint_rcnn": partial(KeypointRCNN, download=True),
    "vitpose": partial(ViTPose, download=True),
}
DOWNLOAD = "download"
WITHOUT_PATH = ("pose18", "keypoint_rcnn")  # bundled, or in torch's hub folder

__all__ = [
    "DETECTORS",
    "Detection",
    "PeopleDetector",
    "PoseDetector",
    "check_detector",
    "find_people",
    "find_person",
    "load_detector",
]


def load_detector(name_and_path: str) -> PoseDetector:
    """Load a pose detector.

    Args:
        name_and_path: "NAME", or "NAME:PATH" with the detector's model file. Nothing is downloaded
            except by "keypoint_rcnn:download" and "vitpose:download:OWNER/NAME".
    """
    name = check_detector(name_and_path)
    path = name_and_path.removeprefix(name).removeprefix(":")
    detectors = DETECTORS
    if name in DOWNLOADS and path.partition(":")[0] == DOWNLOAD:
        detectors, path = DOWNLOADS, path.removeprefix(DOWNLOAD).removeprefix(":")
    return detectors[name](Path(path) if path else None)


def check_detector(name_and_path: str) -> str:
    """Return the name of a known detector, without loading it.

    Args:
        name_and_path: See `load_detector`.
    """
    name = name_and_path.partition(":")[0]
    if name not in DETECTORS:
        forms = [known if known in WITHOUT_PATH else f"{known}:PATH" for known in DETECTORS]
        raise InputError(f"Unknown detector {name!r}; choose one of {', '.join(forms)}.")
    return name
