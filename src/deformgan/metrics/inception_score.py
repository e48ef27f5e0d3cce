"""The arithmetic of the inception score; the network's class probabilities come from outside."""

import torch
from jaxtyping import Float
from torch import Tensor


def inception_score(
    probabilities: Float[Tensor, "images classes"], splits: int = 10
) -> tuple[float, float]:
    """Measures how distinct and how varied images look to a classifier.

    Args:
        probabilities: One row of class probabilities per image, in the images' order.
        splits: Number of contiguous parts that are scored one by one; the score depends on it.

    Returns:
        Mean and population standard deviation over the parts.

    Source:
        Salimans et al., "Improved Techniques for Training GANs", NIPS 2016: the exponential of the
        mean Kullback-Leibler divergence from an image's class distribution to that of its part.
    """
    images = len(probabilities)
    if not 1 <= splits <= images:
        raise ValueError(f"splits must be between 1 and the {images} images, got {splits}.")
    scores = []
    for split in range(splits):
        part = probabilities[split * images // splits : (split + 1) * images // splits].double()
        overall = part.mean(dim=0, keepdim=True)
        # xlogy is 0 at 0, the limit that a class of no probability has to contribute.
        divergence = torch.xlogy(part, part) - torch.xlogy(part, overall)
        scores.append(divergence.sum(dim=1).mean().exp())
    stacked = torch.stack(scores)
    return stacked.mean().item(), stacked.std(correction=0).item()
