"""Mean absolute difference."""

from jaxtyping import Float, UInt8
from torch import Tensor


def l1(
    generated: UInt8[Tensor, "batch channels height width"],
    target: UInt8[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch"]:
    """Compute the mean absolute difference between each generated image and its target, in float64.

    Args:
        generated: Generated images.
        target: Real images.

    Returns:
        One number per image on the [-1, 1] scale: 0 for identical images, 2 at most.

    Source:
        The authors' test script.
    """
    difference = generated.double() - target.double()
    return difference.abs().mean(dim=(1, 2, 3)) * (2 / 255)
