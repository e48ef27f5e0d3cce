"""A penalty on differences between neighbouring pixels."""

from jaxtyping import Float
from torch import Tensor


def total_variation_loss(
    generated: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Compute the sum of (dy^2 + dx^2)^1.25 over all pixels, channels and images.

    Args:
        generated: RGB in [-1, 1]. The last row and column have no next neighbour and do not count.

    Source:
        An option of the authors' code, with weight 0 in every published run. It is a sum, so its
        weight depends on the image size.
    """
    down = (generated[..., 1:, :-1] - generated[..., :-1, :-1]).square()
    right = (generated[..., :-1, 1:] - generated[..., :-1, :-1]).square()
    return (down + right).pow(1.25).sum()
