"""LPIPS: how different two pictures look to a network that learned it from people."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.lpips import LpipsFeatures


def lpips(
    generated: UInt8[Tensor, "batch 3 height width"],
    target: UInt8[Tensor, "batch 3 height width"],
    network: LpipsFeatures,
) -> Float[Tensor, "batch"]:
    """Measures the learned perceptual distance of every generated image to its target.

    Args:
        generated: Generated images, RGB.
        target: Real images, RGB.
        network: Its backbone decides the number: the field reports `alex`, few `vgg`.

    Returns:
        One number per image, 0 for identical images; smaller is better.

    Source:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
        2018, version 0.1 of their linear weights.
    """
    return feature_distance(network(generated), network(target), network.heads)


def feature_distance(
    a: Sequence[Float[Tensor, "batch _ _ _"]],
    b: Sequence[Float[Tensor, "batch _ _ _"]],
    heads: Sequence[Float[Tensor, "_"]],
) -> Float[Tensor, "batch"]:
    """Compares feature maps: squared differences of unit vectors, weighed by channel, averaged.

    Args:
        a: Feature maps of some images, layer by layer.
        b: Those of others.
        heads: Weights of the channels, layer by layer.
    """
    layers = [
        ((_unit(x) - _unit(y)).square() * head.view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
        for x, y, head in zip(a, b, heads, strict=True)
    ]
    return torch.stack(layers).double().sum(dim=0)


def _unit(features: Tensor) -> Tensor:
    """Scales every position's vector to length 1; one of zeros stays zero."""
    # torchmetrics' constant; the paper's code adds 1e-10 to the root instead.
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
