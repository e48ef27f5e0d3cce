"""fill_holes, fill_softly: holes in images filled smoothly from their surroundings."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def fill_holes(
    image: Float[Tensor, "batch channels height width"], hole: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Fill holes smoothly from their surroundings, by push-pull.

    Averages of known pixels over ever larger squares (pull) are passed back down wherever no finer
    value is known (push).

    Args:
        image: Any values; those inside holes are ignored.
        hole: Pixels to fill. An image without any known pixel becomes 0.

    Source:
        Gortler et al., "The Lumigraph", 1996: push-pull.
    """
    return fill_softly(image, (~hole)[:, None].to(image.dtype))


def fill_softly(
    image: Float[Tensor, "batch channels height width"],
    known: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Fill the unknown share of every pixel smoothly from its surroundings; see `fill_holes`.

    Args:
        image: Any values.
        known: How much each pixel counts, in [0, 1]; at 1 it stays as it is.
    """
    return _push_pull(image * known, known)


def _push_pull(total: Tensor, weight: Tensor) -> Tensor:
    # `total` is colour times weight; weights are at most 1.
    height, width = total.shape[-2:]
    if max(height, width) > 1:
        padding = (0, width % 2, 0, height % 2)
        coarse_total, coarse_weight = (
            F.avg_pool2d(F.pad(values, padding), 2) * 4 for values in (total, weight)
        )
        # A single known pixel out of four is enough to trust the coarse one.
        trust = coarse_weight.clamp(max=1)
        scale = trust / coarse_weight.clamp(min=1e-6)
        coarse = _push_pull(coarse_total * scale, trust)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        coarse = coarse[..., :height, :width]
    else:
        coarse = torch.zeros_like(total)
    return total + (1 - weight) * coarse
