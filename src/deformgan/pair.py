"""View, Pair: one person, seen twice."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from deformgan.pose import Pose


@dataclass(frozen=True)
class View:
    """A batch of images with the pose of the person in each.

    Attributes:
        image: RGB in [-1, 1].
        pose: In pixels of `image`.
    """

    image: Float[Tensor, "batch 3 height width"]
    pose: Pose


@dataclass(frozen=True)
class Pair:
    """Two views of the same people in different poses.

    Attributes:
        source: The photo whose person is to be moved.
        target: The same person in the pose that is asked for.
    """

    source: View
    target: View
