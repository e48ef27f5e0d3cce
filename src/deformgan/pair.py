"""View, Pair: a source and a target view of the same person."""

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
        background: The background of `image` without the person, RGB in [-1, 1]; None if no network
            uses it.
    """

    image: Float[Tensor, "batch 3 height width"]
    pose: Pose
    background: Float[Tensor, "batch 3 height width"] | None = None

    @staticmethod
    def cat(views: Sequence["View"]) -> "View":
        """Concatenate batches of equal image size; drop the backgrounds if a batch has none."""
        backgrounds = [view.background for view in views if view.background is not None]
        return View(
            torch.cat([view.image for view in views]),
            Pose.cat([view.pose for view in views]),
            torch.cat(backgrounds) if len(backgrounds) == len(views) else None,
        )

    def crop(self, top: int, left: int, size: tuple[int, int]) -> "View":
        """Cut a window of `size` (height, width) out of every image; joints may lie outside."""
        rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
        background = None if self.background is None else self.background[:, :, rows, columns]
        moved = self.pose.joints - self.pose.joints.new_tensor([left, top])
        return View(self.image[:, :, rows, columns], Pose(moved, self.pose.visible), background)


@dataclass(frozen=True)
class Truth:
    """Ground truth of a batch of rendered pairs, known to the renderer only.

    Attributes:
        source_from_target: (x, y) in pixels of the source of the surface shown at every
            `stride`-th target pixel, starting from the first; 0 where there is no match.
        matched: Where `source_from_target` is defined: visible in the source, or found by following
            the surface through the body.
        visible: Where the source shows the same piece of surface.
        body: Where the target shows the person.
        matte: Coverage of every target pixel by the person, in [0, 1].
        source_matte: Coverage of every source pixel by the person, in [0, 1].
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
        source: View of the person to be reposed.
        target: View of the same person in the target pose.
        truth: Ground truth of rendered people; None for photos.
    """

    source: View
    target: View
    truth: Truth | None = None
