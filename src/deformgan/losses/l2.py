"""Mean squared difference of images."""

from jaxtyping import Float
from torch import Tensor

L2_WEIGHT = 100.0  # as the paper's for L1: no source gives one


def l2_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Gives the mean of (generated - target)^2, which blurs more than `l1_loss` does."""
    return (generated - target).square().mean()
