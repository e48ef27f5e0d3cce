"""Mean squared difference of images."""

from jaxtyping import Float
from torch import Tensor

L2_WEIGHT = 100.0  # the paper's weight for L1; no source states one for L2


def l2_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Compute the mean of (generated - target)^2, which blurs more than `l1_loss` does."""
    return (generated - target).square().mean()
