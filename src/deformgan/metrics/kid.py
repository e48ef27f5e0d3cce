"""KID: like FID a distance between generated and real images, but one without bias."""

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
    """Measures the kernel inception distance between generated and real images; 0 is best.

    Its expectation does not depend on the number of images, and is 0 for equal distributions, so
    values can be a little below 0. A subset at a time is read: features may lie in a mapped file.

    Args:
        generated: pool3 features of generated images (see `backbones.inception_v3`).
        real: Features of real images; their number may differ.
        subsets: How many subsets are compared.
        subset_size: Images of either kind in each, drawn without replacement.
        seed: Of the draws, which are torch-fidelity's: so are this default and the two above.

    Returns:
        Mean over the subsets, and their population standard deviation.

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
    # The old generator, so that anybody's run of torch-fidelity on our features gives our number.
    random = np.random.RandomState(seed)
    distances = []
    # Subsets that hold all images are one and the same.
    once = subset_size == len(generated) == len(real)
    for _ in range(1 if once else subsets):
        chosen = [
            features[torch.from_numpy(random.choice(len(features), subset_size, replace=False))]
            for features in (generated, real)
        ]
        distances.append(polynomial_mmd(*chosen))
    return float(np.mean(distances)), float(np.std(distances))


def polynomial_mmd(a: Float[Tensor, "a features"], b: Float[Tensor, "b features"]) -> float:
    """Estimates the squared maximum mean discrepancy without bias, in float64.

    The kernel is (x.y / features + 1)^3; an image is not compared with itself.

    Args:
        a: Some features, two rows or more.
        b: Others.
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def among_themselves(x: Tensor) -> Tensor:
        each = kernel(x, x)
        return (each.sum() - each.trace()) / (len(x) * (len(x) - 1))

    a, b = a.double(), b.double()
    return (among_themselves(a) + among_themselves(b) - 2 * kernel(a, b).mean()).item()
