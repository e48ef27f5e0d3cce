"""Mean squared difference of images."""

from jaxtyping import Float
from torch import Tensor


def l2_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Gives the mean of (generated - target)^2, which blurs more than `l1_loss` does."""
    return (generated - target).square().mean()
