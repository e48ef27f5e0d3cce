"""Mean absolute difference of images."""

from jaxtyping import Float
from torch import Tensor

L1_WEIGHT = 100.0


def l1_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Compute the mean of |generated - target|.

    Source:
        Siarohin et al., CVPR 2018: the reconstruction term of the rows "Baseline" and "DSC", weight
        100 on images in [-1, 1].
    """
    return (generated - target).abs().mean()
