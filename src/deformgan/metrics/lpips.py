"""Learned perceptual image patch similarity (LPIPS)."""

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
    """Compute the learned perceptual distance between each generated image and its target.

    Args:
        generated: Generated images, RGB.
        target: Real images, RGB.
        network: LPIPS network. Values depend on its backbone: most papers report `alex`, few `vgg`.

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
    """Compute channel-weighted squared differences of unit feature vectors.

    They are averaged over positions and summed over layers.

    Args:
        a: Feature maps of one batch of images, per layer.
        b: Feature maps of the other batch, per layer.
        heads: Channel weights, per layer.

    Returns:
        One number per image, in float64.
    """
    layers = [
        ((_unit(x) - _unit(y)).square() * head.view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
        for x, y, head in zip(a, b, heads, strict=True)
    ]
    return torch.stack(layers).double().sum(dim=0)


def _unit(features: Tensor) -> Tensor:
    """Normalize the feature vector at every position to length 1; zero vectors stay zero."""
    # As in torchmetrics; the paper's code adds 1e-10 to the square root instead.
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
