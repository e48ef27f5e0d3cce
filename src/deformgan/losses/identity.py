"""identity_loss: distance of generated and real person in the embedding of a Re-ID network."""

from copy import deepcopy
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.person_embedding import SIZE, PersonEmbedding, load_person_embedding


def identity_loss(
    generated: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    embedding: PersonEmbedding | None = None,
) -> Float[Tensor, ""]:
    """Compute one minus the cosine similarity of both photos' embeddings, averaged over the batch.

    Args:
        generated: RGB in [-1, 1]; receives the gradient.
        target: The real photo of the same person, RGB in [-1, 1].
        embedding: Frozen network in evaluation mode; by default the bundled one, which was not
            trained on any test person of `../shared/market1501`.

    Source:
        The competing method of the TPAMI version: a generator trained for Re-ID itself (Liu et al.,
        "Pose Transferrable Person Re-identification", CVPR 2018, guide theirs by a Re-ID network's
        identity loss; here embeddings are compared instead).
    """
    network = _bundled(generated.device) if embedding is None else embedding
    with torch.no_grad():
        wanted = F.normalize(network.describe(_resized(target)).float(), dim=1)
    painted = F.normalize(network.describe(_resized(generated)).float(), dim=1)
    return 1 - (painted * wanted).sum(dim=1).mean()


@cache
def _bundled(device: torch.device) -> PersonEmbedding:
    # A copy, because `load_person_embedding` shares one module, whose device must not change.
    return deepcopy(load_person_embedding()).to(device)


def _resized(images: Tensor) -> Tensor:
    if tuple(images.shape[2:]) == SIZE:
        return images
    return F.interpolate(images, SIZE, mode="bilinear", antialias=True)
