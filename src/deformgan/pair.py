"""View, Pair: one person, seen twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.pose import Pose


@dataclass(frozen=True)
class View:
    """A batch of images with the pose of the person in each.

    Attributes:
        image: RGB in [-1, 1].
        pose: In pixels of `image`.
        background: The scene of `image` without the person, RGB in [-1, 1]; None where no network
            asks for it.
    """

    image: Float[Tensor, "batch 3 height width"]
    pose: Pose
    background: Float[Tensor, "batch 3 height width"] | None = None

    @staticmethod
    def cat(views: Sequence["View"]) -> "View":
        """Joins batches of one image size into one."""
        backgrounds = [view.background for view in views if view.background is not None]
        return View(
            torch.cat([view.image for view in views]),
            Pose.cat([view.pose for view in views]),
            torch.cat(backgrounds) if len(backgrounds) == len(views) else None,
        )


@dataclass(frozen=True)
class Pair:
    """Two views of the same people in different poses.

    Attributes:
        source: The photo whose person is to be moved.
        target: The same person in the pose that is asked for.
    """

    source: View
    target: View
