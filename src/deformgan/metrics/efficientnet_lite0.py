"""Distances in the features of EfficientNet-Lite0: LPIPS, KID and FID that need no download."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.efficientnet_lite0 import FEATURES, EfficientNetLite0, Lite0Output
from deformgan.metrics.fid import FeatureMoments, fid
from deformgan.metrics.kid import kid
from deformgan.metrics.lpips import feature_distance

_BATCH = 32
_KID_SUBSET = 1000  # images, where there are so many


def lpips_efficientnet_lite0(generated: Lite0Output, target: Lite0Output) -> Float[Tensor, "batch"]:
    """Measures how different two pictures look to a classifier; nothing in it learned from people.

    At every position of a feature map, the vector of channels is scaled to length 1; the squared
    length of the difference, 0 to 4, is averaged over the positions of a stage, then over the five
    stages. Both pictures were resized to 224x224, so the size of a picture hardly matters.

    Args:
        generated: What the network makes of generated images.
        target: What it makes of the real ones.

    Returns:
        One number per image, 0 for identical images; smaller is better. Not comparable with LPIPS.

    Source:
        Ours, after Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
        Metric", CVPR 2018, whose form without learned weights adds up the layers of AlexNet.
    """
    stages = len(target.stages)
    heads = [maps.new_full(maps.shape[1:2], 1 / stages) for maps in target.stages]
    return feature_distance(generated.stages, target.stages, heads)


def compare_pictures(
    generated: UInt8[Tensor, "pairs 3 _ _"],
    real: UInt8[Tensor, "pairs 3 _ _"],
    network: EfficientNetLite0,
) -> dict[str, float]:
    """Measures all three for pictures in memory: what `deformgan evaluate` writes as `value`.

    Args:
        generated: RGB, two or more.
        real: The target of each, in the same order.
        network: See `load_efficientnet_lite0`.

    Returns:
        `lpips_efficientnet_lite0` (the mean), `kid_efficientnet_lite0`, `fid_efficientnet_lite0`.
    """
    moments = FeatureMoments(FEATURES), FeatureMoments(FEATURES)
    pooled: tuple[list[Tensor], list[Tensor]] = ([], [])
    distances = []
    for images in zip(generated.split(_BATCH), real.split(_BATCH), strict=True):
        outputs = [network(part) for part in images]
        distances.append(lpips_efficientnet_lite0(*outputs))
        for moment, features, output in zip(moments, pooled, outputs, strict=True):
            moment.add(output.pooled)
            features.append(output.pooled)
    ours, theirs = map(torch.cat, pooled)
    subset = min(_KID_SUBSET, len(ours))
    return {
        "lpips_efficientnet_lite0": torch.cat(distances).mean().item(),
        "kid_efficientnet_lite0": kid(ours, theirs, subset_size=subset)[0],
        "fid_efficientnet_lite0": fid(*moments),
    }
