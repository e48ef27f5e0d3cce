"""Fréchet inception distance (FID) between generated and real images."""

import torch
from jaxtyping import Float
from torch import Tensor


class FeatureMoments:
    """Running mean and covariance of feature batches, in float64 and constant memory.

    Args:
        features: Length of a feature vector.

    Source:
        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances", 1979: batches are centred before squaring, which avoids cancellation.
    """

    def __init__(self, features: int):
        self.count = 0
        self.mean = torch.zeros(features, dtype=torch.float64)
        self._scatter = torch.zeros(features, features, dtype=torch.float64)

    def add(self, batch: Float[Tensor, "batch features"]) -> None:
        """Add the features of a batch of images."""
        if len(batch) == 0:
            return
        values = batch.detach().cpu().double()
        mean = values.mean(dim=0)
        centred = values - mean
        self._join(len(values), mean, centred.T @ centred)

    def merge(self, other: "FeatureMoments") -> None:
        """Add all images that `other` has seen."""
        if other.count:
            self._join(other.count, other.mean, other._scatter)

    @property
    def covariance(self) -> Float[Tensor, "features features"]:
        """Unbiased covariance; needs at least two images."""
        if self.count < 2:
            raise ValueError(f"A covariance needs at least 2 images, got {self.count}.")
        return self._scatter / (self.count - 1)

    def _join(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        shift = mean - self.mean
        self._scatter += scatter
        self._scatter.addr_(shift, shift, alpha=self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total


def fid(generated: FeatureMoments, real: FeatureMoments) -> float:
    """Compute the Fréchet inception distance between generated and real images; 0 is best.

    It is biased: fewer images give a larger value, so compare only values of equally many images.

    Args:
        generated: Moments of the pool3 features of generated images (see
            `backbones.inception_v3`).
        real: Moments of the features of real images.

    Source:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", NIPS 2017.
    """
    return frechet_distance(generated.mean, generated.covariance, real.mean, real.covariance)


def frechet_distance(
    mean_a: Float[Tensor, "features"],
    covariance_a: Float[Tensor, "features features"],
    mean_b: Float[Tensor, "features"],
    covariance_b: Float[Tensor, "features features"],
) -> float:
    """Compute the squared Fréchet (Wasserstein-2) distance between two normal distributions.

    Source:
        Dowson and Landau, 1982. The trace of the square root of the product is computed as the sum
        of the singular values of sqrt(a) sqrt(b), which is the same number. Directions that hold
        only rounding errors are dropped first: with fewer images than features, their roots would
        add up.
    """
    root_a, root_b = _root(covariance_a), _root(covariance_b)
    cross = torch.linalg.svdvals(root_a.T @ root_b).sum()
    spread = covariance_a.double().trace() + covariance_b.double().trace() - 2 * cross
    shift = (mean_a.double() - mean_b.double()).square().sum()
    # Rounding can make the distance of equal distributions slightly negative.
    return max(0.0, (shift + spread).item())


def _root(covariance: Float[Tensor, "features features"]) -> Float[Tensor, "features rank"]:
    """Return a matrix whose product with its own transpose is the covariance."""
    values, vectors = torch.linalg.eigh(covariance.double())
    tolerance = len(values) * torch.finfo(torch.float64).eps * values[-1].clamp(min=0)
    kept = values > tolerance
    return vectors[:, kept] * values[kept].sqrt()
