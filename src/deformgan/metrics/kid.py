"""Kernel inception distance (KID): like FID, but unbiased."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def kid(
    generated: Float[Tensor, "generated features"],
    real: Float[Tensor, "real features"],
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> tuple[float, float]:
    """Compute the kernel inception distance between generated and real images; 0 is best.

    Its expectation does not depend on the number of images and is 0 for equal distributions, so
    values can be slightly negative. Features are read one subset at a time and may therefore be
    memory-mapped.

    Args:
        generated: pool3 features of generated images (see `backbones.inception_v3`).
        real: Features of real images; their number may differ.
        subsets: Number of subsets to compare.
        subset_size: Generated and real images per subset, drawn without replacement.
        seed: Random seed for the subsets. The draws and the three defaults are torch-fidelity's.

    Returns:
        Mean and population standard deviation over the subsets.

    Source:
        Binkowski et al., "Demystifying MMD GANs", ICLR 2018.
    """
    if not 2 <= subset_size <= min(len(generated), len(real)):
        raise ValueError(
            f"subset_size must be between 2 and the number of images, got {subset_size} for "
            f"{len(generated)} generated and {len(real)} real images."
        )
    if subsets < 1:
        raise ValueError(f"subsets must be positive, got {subsets}.")
    # The legacy generator: torch-fidelity uses it, so its KID of the same features equals ours.
    random = np.random.RandomState(seed)
    distances = []
    # Subsets of all images are identical, so one is enough.
    once = subset_size == len(generated) == len(real)
    for _ in range(1 if once else subsets):
        chosen = [
            features[torch.from_numpy(random.choice(len(features), subset_size, replace=False))]
            for features in (generated, real)
        ]
        distances.append(polynomial_mmd(*chosen))
    return float(np.mean(distances)), float(np.std(distances))


def polynomial_mmd(a: Float[Tensor, "a features"], b: Float[Tensor, "b features"]) -> float:
    """Compute the unbiased estimate of the squared maximum mean discrepancy, in float64.

    The kernel is (x.y / features + 1)^3; an image is not compared with itself.

    Args:
        a: Features of one set of images, two rows or more.
        b: Features of the other set, two rows or more.
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def among_themselves(x: Tensor) -> Tensor:
        each = kernel(x, x)
        return (each.sum() - each.trace()) / (len(x) * (len(x) - 1))

    a, b = a.double(), b.double()
    return (among_themselves(a) + among_themselves(b) - 2 * kernel(a, b).mean()).item()
