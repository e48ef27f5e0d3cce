"""Peak signal-to-noise ratio."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def psnr(
    generated: UInt8[Tensor, "batch channels height width"],
    target: UInt8[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch"]:
    """Compute the peak signal-to-noise ratio of each generated image, in float64.

    Args:
        generated: Generated images.
        target: Real images.

    Returns:
        One number per image, in decibels relative to a peak of 255; infinite for identical images.
    """
    squared = (generated.double() - target.double()).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(255**2 / squared)
