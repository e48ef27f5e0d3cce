"""Compared: a generated and a true image at one size, with their VGG-19 features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.models.layers import at_most_rows, resize
from deformgan.pair import View
from deformgan.training.config import TrainConfig

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

    @staticmethod
    def of(
        target: View,
        generated: Float[Tensor, "batch 3 _ _"] | None,
        features: Vgg19Features | None,
        config: TrainConfig,
    ) -> "Compared":
        """Resize both images to one size and compute their VGG-19 features.

        Args:
            target: At its own size.
            generated: Of the same size.
            features: VGG-19 with the layers of loss terms and discriminator; None if none are used.
            config: The run.
        """
        if config.generator.layers is not None:
            target = at_most_rows(target, config.generator.layers.rows)
        if generated is not None:
            generated = resize(generated, (target.image.shape[2], target.image.shape[3]))
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


def look(features: Vgg19Features, image: Tensor, layers: Sequence[str]) -> Features:
    """Compute VGG-19 features of an image, divided by each layer's mean."""
    found = features(image, layers)
    return {layer: found[layer].float() / features.level(layer) for layer in layers}
