"""LPIPS, KID and FID on the features of EfficientNet-Lite0, which need no download."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.efficientnet_lite0 import FEATURES, EfficientNetLite0, Lite0Output
from deformgan.metrics.fid import FeatureMoments, fid
from deformgan.metrics.kid import kid
from deformgan.metrics.lpips import feature_distance

_BATCH = 32
_KID_SUBSET = 1000  # at most: all images if there are fewer


def lpips_efficientnet_lite0(generated: Lite0Output, target: Lite0Output) -> Float[Tensor, "batch"]:
    """Compute a perceptual distance on classifier features, without weights learned from people.

    At every position of a feature map, the channel vector is normalized to length 1; the squared
    length of the difference, 0 to 4, is averaged over the positions of a stage, then over the five
    stages. The network resizes its input to 224x224, so the image size hardly matters.

    Args:
        generated: Network output for the generated images.
        target: Network output for the real images.

    Returns:
        One number per image, 0 for identical images; smaller is better. Not comparable with LPIPS.

    Source:
        Ours, after Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
        Metric", CVPR 2018, whose variant without learned weights sums the layers of AlexNet.
    """
    stages = len(target.stages)
    heads = [maps.new_full(maps.shape[1:2], 1 / stages) for maps in target.stages]
    return feature_distance(generated.stages, target.stages, heads)


def compare_pictures(
    generated: UInt8[Tensor, "pairs 3 _ _"],
    real: UInt8[Tensor, "pairs 3 _ _"],
    network: EfficientNetLite0,
) -> dict[str, float]:
    """Compute all three metrics for images in memory.

    They equal the `value` fields that `deformgan evaluate` writes.

    Args:
        generated: RGB, two images or more.
        real: Their targets, in the same order.
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
