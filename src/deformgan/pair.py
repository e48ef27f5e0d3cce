"""View, Pair: one person, seen twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
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
class Truth:
    """What only a renderer knows of a batch of pairs.

    Attributes:
        source_from_target: (x, y) in pixels of the source where the surface is that every
            `stride`-th pixel of the target shows, from the first; 0 where there is no match.
        matched: Where there is one: seen in the source, or guessed through the body.
        visible: Where the source shows that very piece of surface.
        body: Where the target shows the person.
        matte: How much of every target pixel the person covers, in [0, 1].
        source_matte: The same of the source.
        scene: The target without the person, RGB in [-1, 1].
        stride: See `source_from_target`.
    """

    source_from_target: Float[Tensor, "batch 2 rows columns"]
    matched: Bool[Tensor, "batch rows columns"]
    visible: Bool[Tensor, "batch rows columns"]
    body: Bool[Tensor, "batch rows columns"]
    matte: Float[Tensor, "batch 1 height width"]
    source_matte: Float[Tensor, "batch 1 height width"]
    scene: Float[Tensor, "batch 3 height width"]
    stride: int = 1


@dataclass(frozen=True)
class Pair:
    """Two views of the same people in different poses.

    Attributes:
        source: The photo whose person is to be moved.
        target: The same person in the pose that is asked for.
        truth: What is known of rendered people; None for photos.
    """

    source: View
    target: View
    truth: Truth | None = None
