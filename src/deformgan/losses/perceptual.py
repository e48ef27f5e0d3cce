"""Mean absolute difference of classifier features."""

from jaxtyping import Float
from torch import Tensor

# For the original Oxford weights of VGG-19; see `Vgg19Features.level` for others.
PERCEPTUAL_LAYER = "conv2_1"
PERCEPTUAL_WEIGHT = 0.5


def perceptual_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, ""]:
    """Compute the mean of |generated - target| over features.

    Args:
        generated: Features of the generated image.
        target: Features of the true target, at the same positions.

    Source:
        Siarohin et al., CVPR 2018, row "PercLoss": VGG-19's conv2_1, weight 0.5.
    """
    return (generated - target).abs().mean()
