"""Detection, PoseDetector: the joints of one person in an image or in part of it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

Box = tuple[float, float, float, float]

# A box around joints misses hands, feet and hair, so it is enlarged by this factor: of 1.15, 1.25,
# 1.4 and 1.6 the one with which MoveNet found most joints within 8 px of the Market-1501
# annotation. The bundled detector was trained on crops of that size.
LOOK_MARGIN = 1.25


@dataclass(frozen=True)
class Detection:
    """The person detected in an image.

    Attributes:
        pose: One pose of `openpose18` in pixels of the image; uncertain joints are not visible.
        scores: Confidence of every joint, in [0, 1].
    """

    pose: Pose
    scores: Float[Tensor, "joints"]

    @property
    def torso_score(self) -> float:
        """Confidence that there is a person: mean score of hips and shoulders."""
        return self.scores[OPENPOSE18.mandatory_joints].mean().item()


@runtime_checkable
class PoseDetector(Protocol):
    """A detector of one person's joints in an image, or in part of it."""

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints.

        Args:
            image: RGB.
            box: Region to examine: left, top, right and bottom in pixels. It may extend beyond the
                image. By default the whole image.
        """
        ...


@runtime_checkable
class PeopleDetector(Protocol):
    """A detector that finds everyone in a photo."""

    def find_people(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """Detect everyone, in any order.

        Args:
            photo: RGB.
        """
        ...


def around(pose: Pose) -> Box:
    """Return the box to examine for a roughly detected pose.

    Args:
        pose: One pose with a visible joint.
    """
    joints = pose.joints[pose.visible]
    (left, top), (right, bottom) = joints.amin(dim=0).tolist(), joints.amax(dim=0).tolist()
    share = (LOOK_MARGIN - 1) / 2
    grow_x, grow_y = share * (right - left), share * (bottom - top)
    return left - grow_x, top - grow_y, right + grow_x, bottom + grow_y


def overlap(one: Box, other: Box) -> float:
    """Compute the intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (one, other)]
    return both / max(sum(areas) - both, 1e-9)
