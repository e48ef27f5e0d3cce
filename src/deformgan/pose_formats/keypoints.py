"""Lists of keypoints (x, y, score) in files of detectors."""

import logging
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.annotations import are_numbers

# Keypoints of COCO, and of sets that begin with COCO's: Halpe, COCO-WholeBody, Halpe full body.
COCO_COUNTS = (17, 26, 133, 136)
MIN_SCORE = 0.3  # of joints in files of detectors, whose scores are never exactly 0
_LARGEST_ID = 1 << 31

_log = logging.getLogger(__name__)


class OddPersonError(InputError):
    """One person of a file cannot be read."""


def check_numbers(values: object, counts: tuple[int, ...], where: str, wanted: str) -> list[float]:
    """Return a list of numbers, or say what is wrong with it.

    Args:
        values: A parsed value.
        counts: Lengths that are allowed.
        where: The file and the person, for the error.
        wanted: What is allowed, for the error.

    Raises:
        OddPersonError: If it is not a list of so many finite numbers.
    """
    if isinstance(values, list):
        if len(values) in counts and are_numbers(values, len(values)):
            return [float(value) for value in values]
        for place, value in enumerate(values):
            if isinstance(value, float) and math.isnan(value):
                raise OddPersonError(f"{where}: number {place} is NaN; {wanted}.")
            if isinstance(value, int | float) and not are_numbers([value], 1):
                raise OddPersonError(f"{where}: number {place} is {value!s:.20}; {wanted}.")
    count = len(values) if isinstance(values, list) else 0
    raise OddPersonError(f"{where} has {count} values; {wanted}.")


def as_size(height: object, width: object) -> tuple[int, int] | None:
    """Return the (height, width) of a picture; None unless both are positive numbers."""
    if not are_numbers([height, width], 2):
        return None
    size = (round(float(height)), round(float(width)))  # ty: ignore[invalid-argument-type]
    return size if min(size) >= 1 and max(size) < _LARGEST_ID else None


def see(scores: Tensor, least: float | None, path: Path) -> Tensor:
    """Return which keypoints count as visible.

    Raises:
        InputError: If none does, because of its score.
    """
    limit = MIN_SCORE if least is None else least
    seen = scores >= limit
    if scores.numel() and not seen.any() and scores.max() > 0:
        raise InputError(
            f"{path}: no keypoint has a score of {limit:g} or more, the highest is "
            f"{scores.max().item():.3g}; choose a lower limit with min_score=."
        )
    return seen & (scores > 0) if limit <= 0 else seen


def skip(error: OddPersonError, skip_odd: bool) -> None:
    """Log what is wrong with a person and go on, or raise it."""
    if not skip_odd:
        raise error
    _log.warning("left out: %s", error)


def to_pose(keypoints: Tensor, visible: Tensor) -> Pose:
    """Return the poses of keypoints (people, joints, 3), with zeros where a joint is missing."""
    return Pose(keypoints[..., :2].masked_fill(~visible[..., None], 0.0), visible)


def to_tensor(rows: list[Any], joints: int) -> Tensor:
    """Return rows of triples as a tensor (people, joints, 3)."""
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), joints, 3)
