"""The game: what the discriminator and the generator each want of the patch logits."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def discriminator_loss(
    real_logits: Float[Tensor, "batch patches"],
    fake_logits: Float[Tensor, "batch patches"],
    epsilon: float = 0.0,
) -> Float[Tensor, ""]:
    """Asks for real patches to be called real and generated ones generated.

    Args:
        real_logits: Judgement of true targets, before the sigmoid.
        fake_logits: Judgement of generated images.
        epsilon: Added to the probability before the logarithm. 0 takes the exact form, which
            never saturates; the authors' code has 1e-7.

    Source:
        Siarohin et al., CVPR 2018: -mean log D(real) - mean log(1 - D(fake)), not halved.
    """
    return _minus_log_real(real_logits, epsilon) + _minus_log_fake(fake_logits, epsilon)


def generator_loss(
    fake_logits: Float[Tensor, "batch patches"],
    form: Literal["non_saturating", "minimax"] = "non_saturating",
    epsilon: float = 0.0,
) -> Float[Tensor, ""]:
    """Asks for generated patches to be called real.

    Args:
        fake_logits: Judgement of generated images, before the sigmoid.
        form: "non_saturating" minimizes -log D, "minimax" minimizes log(1 - D) as the game is
            printed, whose gradient vanishes where the discriminator is sure.
        epsilon: As in `discriminator_loss`.

    Source:
        Siarohin et al., CVPR 2018, prints the minimax game; their code runs the non-saturating one.
    """
    if form == "non_saturating":
        return _minus_log_real(fake_logits, epsilon)
    if form == "minimax":
        return -_minus_log_fake(fake_logits, epsilon)
    raise ValueError(f"form must be 'non_saturating' or 'minimax', got {form!r}.")


def _minus_log_real(logits: Tensor, epsilon: float) -> Tensor:
    """-mean log D, with D = sigmoid(logits)."""
    if epsilon == 0:
        return F.softplus(-logits).mean()
    return -torch.log(torch.sigmoid(logits) + epsilon).mean()


def _minus_log_fake(logits: Tensor, epsilon: float) -> Tensor:
    """-mean log(1 - D)."""
    if epsilon == 0:
        return F.softplus(logits).mean()
    return -torch.log(1 - torch.sigmoid(logits) + epsilon).mean()
