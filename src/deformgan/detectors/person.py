"""PoseDetector: image -> Pose; find_person: the same, wherever in a photo the person stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

Box = tuple[float, float, float, float]

# Mean score of the torso's joints above which there is a person. With MoveNet, 150 photos of
# Market-1501 had at least 0.58 (99 %), 100 of DeepFashion, mostly without legs, 0.48; an empty
# street had 0.22 and ten photos and textures without people at most 0.20.
PERSON_SCORE = 0.4

# The same where only a part of the photo was looked at: in many parts something resembles a person
# by chance (0.55 in a photo of grass).
PERSON_SCORE_IN_PART = 0.6

# Each further look is at the box of the joints of the last one, enlarged by this factor: of 1.15,
# 1.25, 1.4 and 1.6 the one that found most joints within 8 px of the Market-1501 annotation.
LOOK_MARGIN = 1.25

# With photos of 64x128 hidden in one of 1280x720, a second look back found 74 % of the joints and
# a third 79 %.
LOOKS_AGAIN = 2


@dataclass(frozen=True)
class Detection:
    """The person seen in an image.

    Attributes:
        pose: One pose of `openpose18` in pixels of the image; uncertain joints are not visible.
        scores: How sure the detector is of every joint, in [0, 1].
    """

    pose: Pose
    scores: Float[Tensor, "joints"]

    @property
    def torso_score(self) -> float:
        """How sure the detector is that there is a person: mean score of hips and shoulders."""
        return self.scores[OPENPOSE18.mandatory_joints].mean().item()


@runtime_checkable
class PoseDetector(Protocol):
    """Finds the joints of the one person in an image, or in a part of it."""

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Finds the joints.

        Args:
            image: RGB.
            box: Left, top, right and bottom in pixels: where to look. It may reach beyond the
                image. By default the whole image.
        """
        ...


def find_person(
    detector: PoseDetector, photo: UInt8[np.ndarray, "height width 3"]
) -> Detection | None:
    """Finds the person in a photo of any size.

    The first look is at the whole photo and, if nobody is there, at ever smaller squares of it,
    since detectors see little of people who are small in the image. Further looks are at the
    person alone.

    Args:
        detector: Any pose detector.
        photo: RGB.

    Returns:
        The surest detection, or None where nobody was found.
    """
    needed = PERSON_SCORE
    for boxes in _squares(*photo.shape[:2]):
        look = max((detector(photo, box) for box in boxes), key=_torso_score)
        best = look
        for _ in range(LOOKS_AGAIN):
            if not look.pose.visible.any():
                break
            look = detector(photo, _around(look.pose))
            best = max(best, look, key=_torso_score)
        if best.torso_score >= needed:
            return best
        needed = PERSON_SCORE_IN_PART
    return None


def _torso_score(detection: Detection) -> float:
    return detection.torso_score


def _squares(height: int, width: int) -> Iterator[list[Box]]:
    """Yields the whole photo, then overlapping squares of a half and a quarter of its long side.

    Squares smaller than 128 px are left out: a person in them would have too few pixels.
    """
    yield [(-0.5, -0.5, width - 0.5, height - 0.5)]
    for share in (2, 4):
        side = max(height, width) / share
        if side < 128:
            return
        yield [
            (left, top, left + side, top + side)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]


def _starts(length: int, side: float) -> list[float]:
    """Spreads squares of a side over a length so that neighbours overlap by a half or more."""
    room = length - side
    if room <= 0:
        return [room / 2 - 0.5]
    steps = int(np.ceil(room / (side / 2)))
    return [room * step / steps - 0.5 for step in range(steps + 1)]


def _around(pose: Pose) -> Box:
    joints = pose.joints[pose.visible]
    (left, top), (right, bottom) = joints.amin(dim=0).tolist(), joints.amax(dim=0).tolist()
    share = (LOOK_MARGIN - 1) / 2
    grow_x, grow_y = share * (right - left), share * (bottom - top)
    return left - grow_x, top - grow_y, right + grow_x, bottom + grow_y
