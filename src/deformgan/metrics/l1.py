"""Mean absolute difference."""

from jaxtyping import Float, UInt8
from torch import Tensor


def l1(
    generated: UInt8[Tensor, "batch channels height width"],
    target: UInt8[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch"]:
    """Measures the mean absolute difference of every generated image to its target, in float64.

    Args:
        generated: Generated images.
        target: Real images.

    Returns:
        One number per image, in units of the [-1, 1] scale: 0 for identical images, 2 at most.

    Source:
        The authors' test script.
    """
    difference = generated.double() - target.double()
    return difference.abs().mean(dim=(1, 2, 3)) * (2 / 255)
