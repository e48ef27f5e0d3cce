"""Compared: a generated and a true image at one size, with their VGG-19 features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.models.feature_judge import FeaturedView
from deformgan.models.layers import at_most_rows, resize
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.training.config import TrainConfig

_SHIFT = 4  # random stream; `closeup` uses 3

Features = dict[str, Float[Tensor, "batch _ _ _"]]


@dataclass(frozen=True)
class Compared:
    """A generated and a true image at the size at which they are compared.

    Larger pictures of a layered generator are downscaled to the network's rows; the discriminator
    judges them at their own size as well.

    Attributes:
        target: The true photo and its pose.
        generated: The generated image, in [-1, 1]; None if only the true one is used.
        target_features: VGG-19 features of the target by layer, without gradient, divided by the
            layer's mean (see `Vgg19Features.level`).
        generated_features: The same features of the generated image, with gradient.
    """

    target: View
    generated: Float[Tensor, "batch 3 height width"] | None
    target_features: Features
    generated_features: Features

    @property
    def featured_target(self) -> FeaturedView:
        """The true photo for judges of features."""
        return FeaturedView(self.target, self.target_features)

    @property
    def featured_generated(self) -> FeaturedView:
        """The generated image for judges of features, with its gradient."""
        assert self.generated is not None
        view = replace(self.target, image=self.generated)
        return FeaturedView(view, self.generated_features)

    @staticmethod
    def of(
        target: View,
        generated: Float[Tensor, "batch 3 _ _"] | None,
        features: Vgg19Features | None,
        config: TrainConfig,
        shift: tuple[int, int] = (0, 0),
    ) -> "Compared":
        """Resize both images to one size, shift them, and compute their VGG-19 features.

        Args:
            target: At its own size.
            generated: Of the same size.
            features: VGG-19 with the layers of loss terms and discriminator; None if none are used.
            config: The run.
            shift: Rows and columns by which both images and the pose move up and to the left, see
                `random_shift`.
        """
        if config.generator.layers is not None:
            target = at_most_rows(target, config.generator.layers.rows)
        if generated is not None:
            generated = resize(generated, (target.image.shape[2], target.image.shape[3]))
        if shift != (0, 0):
            moved = target.pose.joints - target.pose.joints.new_tensor(shift[::-1])
            target = replace(
                target, image=_moved(target.image, shift), pose=Pose(moved, target.pose.visible)
            )
            generated = None if generated is None else _moved(generated, shift)
        if not config.compared_layers:
            return Compared(target, generated, {}, {})
        if features is None:
            raise ValueError(
                f"features must provide {' and '.join(config.compared_layers)} of VGG-19, got None."
            )
        with torch.no_grad():
            wanted = look(features, target.image, config.compared_layers)
        if generated is None:
            return Compared(target, None, wanted, {})
        return Compared(
            target, generated, wanted, look(features, generated, config.compared_layers)
        )


def random_shift(config: TrainConfig, step: int) -> tuple[int, int]:
    """Choose the shift of a step, at most `config.shift` each way; the same in every process.

    The networks behind the losses reduce an image on a fixed grid. A generator learns to please
    them with dots on that grid, which are visible; if the grid moves, there is nothing to learn.
    """
    if not config.shift:
        return 0, 0
    random = np.random.default_rng((config.seed, _SHIFT, step))
    up, left = (int(way) for way in random.integers(-config.shift, config.shift + 1, 2))
    return up, left


def _moved(
    image: Float[Tensor, "batch 3 height width"], shift: tuple[int, int]
) -> Float[Tensor, "batch 3 height width"]:
    """Move an image; at most half of its size. What enters is the mirror image of what is there."""
    margin = max(abs(way) for way in shift)
    top, left = (margin + way for way in shift)
    mirrored = F.pad(image, (margin,) * 4, mode="reflect")
    return mirrored[:, :, top : top + image.shape[2], left : left + image.shape[3]]


def look(features: Vgg19Features, image: Tensor, layers: Sequence[str]) -> Features:
    """Compute VGG-19 features of an image, divided by each layer's mean."""
    found = features(image, layers)
    return {layer: found[layer].float() / features.level(layer) for layer in layers}
