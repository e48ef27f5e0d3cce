"""pose_loss: how differently a pose detector sees the generated and the real person."""

from copy import deepcopy
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.pose18_network import BUNDLED, CROP, Pose18Network, load_network


def pose_loss(
    generated: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    detector: Pose18Network | None = None,
) -> Float[Tensor, ""]:
    """Compare where a detector locates each joint in both images.

    A joint's heat map, normalized over its cells, is a distribution of the joint's position. The
    loss is the Kullback-Leibler divergence of the generated image's from the target's, in nats,
    averaged over joints and images, weighted by the detector's confidence in each joint of the
    target.

    Args:
        generated: RGB in [-1, 1]; receives the gradient.
        target: The real photo, RGB in [-1, 1].
        detector: Frozen network in evaluation mode; by default the bundled one, which was not
            trained on any test person of `../shared/market1501`.

    Source:
        Ours. L1 and texture losses hardly notice a limb that dissolves at its edges; a detector
        does.
    """
    network = _bundled(generated.device) if detector is None else detector
    with torch.no_grad():
        wanted = _joints(network, target)
        sure = torch.sigmoid(wanted.amax(dim=2))
        wanted = F.log_softmax(wanted, dim=2)
    found = F.log_softmax(_joints(network, generated), dim=2)
    divergence = (wanted.exp() * (wanted - found)).sum(dim=2)
    return (sure * divergence).sum() / sure.sum().clamp(min=1e-6)


def _joints(network: Pose18Network, images: Tensor) -> Float[Tensor, "batch joints cells"]:
    """Return the logits of each joint's map; the last map, of torso centres, is left out."""
    return network(_crops(images))[:, :-1].float().flatten(2)


def _crops(images: Tensor) -> Float[Tensor, "batch 3 rows columns"]:
    """Resize to the detector's rows and pad the columns to its width, or a multiple of 32."""
    rows, columns = CROP[0], round(images.shape[3] * CROP[0] / images.shape[2])
    if tuple(images.shape[2:]) != (rows, columns):
        images = F.interpolate(images, (rows, columns), mode="bilinear", antialias=True)
    missing = max(CROP[1], -(-columns // 32) * 32) - columns
    return F.pad(images, (missing // 2, missing - missing // 2, 0, 0), mode="replicate")


@cache
def _bundled(device: torch.device) -> Pose18Network:
    # A copy, because `load_network` shares one module, whose device must not change.
    network = deepcopy(load_network(BUNDLED)[0]).to(device)
    return network.requires_grad_(False)
