"""LearnedAffine, AffineRefinement, warp_whole: transforms predicted from two poses."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.models.blocks import LEAK
from deformgan.pose import Pose

HIDDEN = (64, 32)  # features of the hidden layers
MISSING = -3.0  # normalized; one image size left of and above the image


class LearnedAffine(nn.Module):
    """Network that predicts one transform of the whole image from the coordinates of both poses.

    Initialized to the identity for all poses.

    Source:
        The authors' code (its default variant, a spatial transformer), with the same layers and
        order of coordinates. As in their code, one network serves all warped levels; counting its
        6,950 parameters once per level yields their 27,800. They feed pixel coordinates, and -1 for
        a missing joint. Here coordinates are normalized, and a missing joint is placed where their
        -1 would be if the image spanned 0 to 1.
    """

    def __init__(self, joints: int):
        super().__init__()
        self.layers = _small_network(4 * joints, start=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def forward(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> Float[Tensor, "batch 1 2 3"]:
        """Return `source_from_target`, normalized in the half-pixel frame.

        Args:
            source_pose: In pixels.
            target_pose: In pixels.
            size: Height and width of both images.
        """
        # (B, 4J): source, then target; y before x for every joint
        told = torch.cat(
            [
                _normalized(pose, size).where(pose.visible[..., None], MISSING).flip(-1).flatten(1)
                for pose in (source_pose, target_pose)
            ],
            dim=1,
        )
        return _ask(self.layers, told).view(-1, 1, 2, 3)


class AffineRefinement(nn.Module):
    """Network that predicts a correction to every part's transform from both poses.

    Initialized to no correction for all poses.

    Source:
        Ours, not the paper's. Same shape as `LearnedAffine`, with visibility as additional input.
    """

    def __init__(self, joints: int, parts: int):
        super().__init__()
        self.layers = _small_network(6 * joints, start=[0.0] * 6 * parts)
        self.parts = parts

    def forward(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> Float[Tensor, "batch parts 2 3"]:
        """Return the correction to add to `source_from_target`, in pixels.

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
        # pixel = scale * normalized + middle, on both sides of the transform; the source's middle
        # cancels in a difference of transforms.
        scale = normalized.new_tensor([size[1], size[0]]) / 2
        middle = scale - 0.5
        linear = normalized[..., :2] * scale[:, None] / scale
        offset = normalized[..., 2] * scale - (linear * middle).sum(dim=-1)
        return torch.cat([linear, offset[..., None]], dim=-1)


def warp_whole(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch 1 2 3"],
) -> Float[Tensor, "batch channels height width"]:
    """Warp a whole feature map by one transform, without masks.

    Args:
        features: Features of the source image.
        source_from_target: Normalized in the half-pixel frame.

    Returns:
        Features aligned with the target; outside the image the border is repeated.

    Source:
        The authors' spatial transformer, sampled in our frame. Theirs mixes two frames, so that
        its identity stretches a map by a pixel, and it clamps the neighbours' positions but not
        their weights, which then cancel: outside the image it returns 0.
    """
    # As in `warp_parts`: bfloat16 is too coarse for coordinates.
    dtype = torch.promote_types(features.dtype, torch.float32)
    with torch.autocast(features.device.type, enabled=False):
        theta = source_from_target[:, 0].to(dtype)
        grid = F.affine_grid(theta, list(features.shape), align_corners=False)
        warped = F.grid_sample(features.to(dtype), grid, padding_mode="border", align_corners=False)
    return warped.to(features.dtype)


def _small_network(inputs: int, start: list[float]) -> nn.Sequential:
    """Build a network of two hidden layers that initially returns `start` for any input."""
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
    """Run the network in the precision of its weights, without autocast."""
    with torch.autocast(told.device.type, enabled=False):
        return layers(told.to(next(layers.parameters()).dtype))


def _normalized(pose: Pose, size: tuple[int, int]) -> Float[Tensor, "batch joints 2"]:
    """Scale joints to the [-1, 1] frame of `align_corners=False`."""
    return (pose.joints * 2 + 1) / pose.joints.new_tensor([size[1], size[0]]) - 1
