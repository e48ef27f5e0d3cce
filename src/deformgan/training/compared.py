"""Compared: a generated image beside the true one, as loss terms and judges look at both."""

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
    """Both images at the rows at which they are compared.

    Larger pictures of a layered generator are brought to the network's rows; at their own size they
    are judged besides.

    Attributes:
        target: The true photo and its pose.
        generated: Its rival, in [-1, 1]; None where only the true one is looked at.
        target_features: Of VGG-19 by layer, without a gradient, in units of the layer's mean (see
            `Vgg19Features.level`).
        generated_features: The same of the generated one; the gradient flows.
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
        """Bring both to one size and run VGG-19 on them.

        Args:
            target: At its own size.
            generated: Of the same size.
            features: VGG-19 with the layers of the loss terms and judges; None if none needs it.
            config: The run.
        """
        if config.generator.layers is not None:
            target = at_most_rows(target, config.generator.layers.rows)
        if generated is not None:
            generated = resize(generated, (target.image.shape[2], target.image.shape[3]))
        if not config.vgg_layers:
            return Compared(target, generated, {}, {})
        if features is None:
            raise ValueError(
                f"{' and '.join(config.vgg_layers)} of VGG-19 are asked for, got None."
            )
        with torch.no_grad():
            wanted = _look(features, target.image, config.vgg_layers)
        if generated is None:
            return Compared(target, None, wanted, {})
        return Compared(target, generated, wanted, _look(features, generated, config.vgg_layers))


def _look(features: Vgg19Features, image: Tensor, layers: Sequence[str]) -> Features:
    found = features(image)
    return {layer: found[layer].float() / features.level(layer) for layer in layers}
