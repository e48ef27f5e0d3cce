"""Labels of generated photos by a teacher: how similar it finds them to every training person."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from deformgan.errors import InputError
from deformgan.reid.features import BATCH, NetworkFeatures, open_features
from deformgan.reid.training_photos import TrainingPhotos

# Factors of the cosine to choose from; a softmax of cosines alone would be nearly uniform.
_SHARPNESS = torch.logspace(0, 3, 61, base=10.0)


def open_teacher(extractor: str, device: str = "cpu") -> NetworkFeatures:
    """Open the network of a teacher; see `open_features`.

    Raises:
        InputError: If it is a file of vectors.
    """
    teacher = open_features(extractor, device)
    if not isinstance(teacher, NetworkFeatures):
        raise InputError(f"A teacher must be a network, and {extractor} is a file of vectors.")
    return teacher


def teacher_labels(
    photos: TrainingPhotos, embed: Callable[[UInt8[Tensor, "..."]], Tensor]
) -> Float[Tensor, "photos classes"]:
    """Return the probability of every training identity for each photo.

    It is the softmax of the cosine to the mean embedding of each identity's real photos, times a
    factor: the one at which the labels of the real photos themselves, each left out of its own
    mean, have the highest likelihood (temperature scaling). Identities without real photos get
    none; photos of these keep their own label.

    Args:
        photos: Real and generated photos.
        embed: Teacher: returns embeddings of RGB images, a row per image.

    Source:
        Teacher labels for generated photos: Zheng et al., "Joint Discriminative and Generative
        Learning for Person Re-identification", CVPR 2019. Temperature scaling: Guo et al., "On
        Calibration of Modern Neural Networks", ICML 2017.
    """
    parts = [embed(part).float() for part in photos.images.split(BATCH)]
    vectors = F.normalize(torch.cat(parts), dim=1)
    real = (~photos.generated).nonzero()[:, 0]
    sums = torch.zeros(photos.num_classes, vectors.shape[1])
    sums.index_add_(0, photos.classes[real], vectors[real])
    counts = photos.classes[real].bincount(minlength=photos.num_classes)
    known = counts > 0
    factor = _calibrate(vectors[real], photos.classes[real], sums, counts)
    cosine = vectors @ F.normalize(sums, dim=1).T
    labels = (factor * cosine).masked_fill(~known, -torch.inf).softmax(dim=1)
    own = F.one_hot(photos.classes, photos.num_classes).float()
    return torch.where(known[photos.classes, None], labels, own)


def _calibrate(
    vectors: Float[Tensor, "real features"],
    classes: Int64[Tensor, "real"],
    sums: Float[Tensor, "classes features"],
    counts: Int64[Tensor, "classes"],
) -> float:
    """Return the factor of the cosine with the highest likelihood of the real photos' labels."""
    rest = F.normalize(sums[classes] - vectors, dim=1)  # each photo left out of its own mean
    own = (vectors * rest).sum(dim=1)
    cosine = (vectors @ F.normalize(sums, dim=1).T).masked_fill(counts == 0, -torch.inf)
    cosine[torch.arange(len(classes)), classes] = own
    several = counts[classes] > 1
    if not several.any():
        return float(_SHARPNESS[len(_SHARPNESS) // 2])
    losses = [F.cross_entropy(factor * cosine[several], classes[several]) for factor in _SHARPNESS]
    return float(_SHARPNESS[torch.stack(losses).argmin()])
