"""Adversarial losses of the discriminator and the generator on patch logits."""

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
    """Compute the binary cross-entropy of the discriminator.

    Args:
        real_logits: Discriminator output for true targets, before the sigmoid.
        fake_logits: Discriminator output for generated images, before the sigmoid.
        epsilon: Added to the probability before the logarithm. 0 selects the exact form, which
            never saturates; the authors' code uses 1e-7.

    Source:
        Siarohin et al., CVPR 2018: -mean log D(real) - mean log(1 - D(fake)), not halved.
    """
    return _minus_log_real(real_logits, epsilon) + _minus_log_fake(fake_logits, epsilon)


def generator_loss(
    fake_logits: Float[Tensor, "batch patches"],
    form: Literal["non_saturating", "minimax"] = "non_saturating",
    epsilon: float = 0.0,
) -> Float[Tensor, ""]:
    """Compute the adversarial loss of the generator.

    Args:
        fake_logits: Discriminator output for generated images, before the sigmoid.
        form: "non_saturating" minimizes -log D; "minimax" minimizes log(1 - D), as in the paper,
            whose gradient vanishes where the discriminator is confident.
        epsilon: As in `discriminator_loss`.

    Source:
        Siarohin et al., CVPR 2018, print the minimax loss; their code uses the non-saturating one.
    """
    if form == "non_saturating":
        return _minus_log_real(fake_logits, epsilon)
    if form == "minimax":
        return -_minus_log_fake(fake_logits, epsilon)
    raise ValueError(f"form must be 'non_saturating' or 'minimax', got {form!r}.")


def _minus_log_real(logits: Tensor, epsilon: float) -> Tensor:
    """Compute -mean log D, with D = sigmoid(logits)."""
    if epsilon == 0:
        return F.softplus(-logits).mean()
    return -torch.log(torch.sigmoid(logits) + epsilon).mean()


def _minus_log_fake(logits: Tensor, epsilon: float) -> Tensor:
    """Compute -mean log(1 - D)."""
    if epsilon == 0:
        return F.softplus(logits).mean()
    return -torch.log(1 - torch.sigmoid(logits) + epsilon).mean()
