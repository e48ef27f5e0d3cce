"""LearnedAffine, AffineRefinement, warp_whole: transforms that a network reads off two poses."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.models.blocks import LEAK
from deformgan.pose import Pose

HIDDEN = (64, 32)  # features of the hidden layers
MISSING = -3.0  # a whole image left of and above the image


class LearnedAffine(nn.Module):
    """Predicts one transform of the whole image from the coordinates of both poses.

    Starts at the identity, whatever the poses.

    Source:
        The authors' code (its default variant, a spatial transformer), layers and order of the
        coordinates included. There one network serves all warped levels, as here; its parameters
        are counted once per level, which makes their 27,800 out of 6,950. They feed pixels, and -1
        for a missing joint: here coordinates are normalized, and a missing joint lies where their
        -1 would be if the image reached from 0 to 1.
    """

    def __init__(self, joints: int):
        super().__init__()
        self.layers = _small_network(4 * joints, start=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def forward(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> Float[Tensor, "batch 1 2 3"]:
        """Gives `source_from_target`, normalized in the half-pixel frame.

        Args:
            source_pose: In pixels.
            target_pose: In pixels.
            size: Height and width of both images.
        """
        # (B, 4J): source, then target; of every joint y, then x
        told = torch.cat(
            [
                _normalized(pose, size).where(pose.visible[..., None], MISSING).flip(-1).flatten(1)
                for pose in (source_pose, target_pose)
            ],
            dim=1,
        )
        return _ask(self.layers, told).view(-1, 1, 2, 3)


class AffineRefinement(nn.Module):
    """Predicts a correction to every part's transform from both poses.

    Starts at no correction, whatever the poses.

    Source:
        Ours, not the paper's. Shaped like `LearnedAffine`, but visibility has inputs of its own.
    """

    def __init__(self, joints: int, parts: int):
        super().__init__()
        self.layers = _small_network(6 * joints, start=[0.0] * 6 * parts)
        self.parts = parts

    def forward(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> Float[Tensor, "batch parts 2 3"]:
        """Gives what to add to `source_from_target` in pixels.

        Args:
            source_pose: In pixels.
            target_pose: In pixels.
            size: Height and width of both images.
        """
        told = []
        for pose in (source_pose, target_pose):
            seen = pose.visible[..., None]
            told += [_normalized(pose, size).where(seen, 0).flatten(1), pose.visible]
        normalized = _ask(self.layers, torch.cat(told, dim=1)).view(-1, self.parts, 2, 3)
        # pixel = scale * normalized + middle, on both sides of the transform; the middle of the
        # source is not in a difference of transforms.
        scale = normalized.new_tensor([size[1], size[0]]) / 2
        middle = scale - 0.5
        linear = normalized[..., :2] * scale[:, None] / scale
        offset = normalized[..., 2] * scale - (linear * middle).sum(dim=-1)
        return torch.cat([linear, offset[..., None]], dim=-1)


def warp_whole(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch 1 2 3"],
) -> Float[Tensor, "batch channels height width"]:
    """Moves a whole feature map by one transform, without masks.

    Args:
        features: Features of the source image.
        source_from_target: Normalized in the half-pixel frame.

    Returns:
        Features in the target's place; outside of the image its border goes on.

    Source:
        The authors' spatial transformer, sampled in our frame. Theirs mixes two frames, so that
        its identity stretches a map by a pixel, and it clamps the neighbours' places but not their
        weights, which then cancel: outside it gives 0.
    """
    # As in `warp_parts`: bfloat16 is too coarse for coordinates.
    dtype = torch.promote_types(features.dtype, torch.float32)
    with torch.autocast(features.device.type, enabled=False):
        theta = source_from_target[:, 0].to(dtype)
        grid = F.affine_grid(theta, list(features.shape), align_corners=False)
        warped = F.grid_sample(features.to(dtype), grid, padding_mode="border", align_corners=False)
    return warped.to(features.dtype)


def _small_network(inputs: int, start: list[float]) -> nn.Sequential:
    """Two hidden layers; answers with `start` until it has learned something."""
    layers: list[nn.Module] = []
    for width in HIDDEN:
        hidden = nn.Linear(inputs, width)
        nn.init.xavier_uniform_(hidden.weight)
        nn.init.zeros_(hidden.bias)
        layers += [hidden, nn.LeakyReLU(LEAK)]
        inputs = width
    last = nn.Linear(inputs, len(start))
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor(start))
    return nn.Sequential(*layers, last)


def _ask(layers: nn.Sequential, told: Tensor) -> Tensor:
    """Runs the network in the precision of its weights, also in a bfloat16 run."""
    with torch.autocast(told.device.type, enabled=False):
        return layers(told.to(next(layers.parameters()).dtype))


def _normalized(pose: Pose, size: tuple[int, int]) -> Float[Tensor, "batch joints 2"]:
    """Brings joints into the [-1, 1] frame of `align_corners=False`."""
    return (pose.joints * 2 + 1) / pose.joints.new_tensor([size[1], size[0]]) - 1
