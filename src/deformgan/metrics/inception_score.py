"""Inception score (IS), computed from the network's class probabilities."""

import torch
from jaxtyping import Float
from torch import Tensor


def inception_score(
    probabilities: Float[Tensor, "images classes"], splits: int = 10
) -> tuple[float, float]:
    """Compute the inception score, which is high for distinct and varied images.

    Args:
        probabilities: One row of class probabilities per image, in the order of the images.
        splits: Number of contiguous splits that are scored separately; the score depends on it.

    Returns:
        Mean and population standard deviation over the splits.

    Source:
        Salimans et al., "Improved Techniques for Training GANs", NIPS 2016: the exponential of the
        mean Kullback-Leibler divergence of each image's class distribution from its split's mean.
    """
    images = len(probabilities)
    if not 1 <= splits <= images:
        raise ValueError(f"splits must be between 1 and the {images} images, got {splits}.")
    scores = []
    for split in range(splits):
        part = probabilities[split * images // splits : (split + 1) * images // splits].double()
        overall = part.mean(dim=0, keepdim=True)
        # xlogy(0, 0) is 0, the limit of p log p for a class of probability 0.
        divergence = torch.xlogy(part, part) - torch.xlogy(part, overall)
        scores.append(divergence.sum(dim=1).mean().exp())
    stacked = torch.stack(scores)
    return stacked.mean().item(), stacked.std(correction=0).item()
