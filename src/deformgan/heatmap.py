"""render_heatmaps, joints_from_heatmaps: Gaussian maps of joints, and their peaks."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.pose import Pose

HeatmapKind = Literal["gaussian", "exponential", "terraced"]


def render_heatmaps(
    pose: Pose, size: tuple[int, int], sigma: float = 6.0, kind: HeatmapKind = "gaussian"
) -> Float[Tensor, "batch joints height width"]:
    """Render one map per joint that is 1 at the joint and falls off with distance.

    Args:
        pose: In pixels of the maps. The map of an invisible joint is zero; a joint outside the
            frame still contributes its tail.
        size: Height and width of the maps.
        sigma: Width of the fall-off in pixels.
        kind: "gaussian" is exp(-d^2 / (2 sigma^2)); "exponential" is exp(-d / sigma); "terraced"
            is exp(-ceil(d^2 / (2 sigma^2))).

    Source:
        Section 3 (H(P)). The paper prints the exponential form and the authors' code computes the
        Gaussian, which integer division of integer joints under Python 2 turns into terraces; their
        published weights were trained on those.
    """
    if sigma <= 0:
        raise ValueError(f"sigma must be positive, got {sigma}.")
    height, width = size
    joints = pose.joints
    dx = torch.arange(width, dtype=joints.dtype, device=joints.device) - joints[..., :1]
    dy = torch.arange(height, dtype=joints.dtype, device=joints.device) - joints[..., 1:]
    if kind == "gaussian":  # separable: two short exponentials instead of one for every pixel
        across = torch.exp(-dx.square() / (2 * sigma**2)) * pose.visible[..., None]
        down = torch.exp(-dy.square() / (2 * sigma**2))
        return down[..., :, None] * across[..., None, :]
    squared = dy.square()[..., :, None] + dx.square()[..., None, :]
    if kind == "exponential":
        maps = torch.exp(-squared.sqrt() / sigma)
    elif kind == "terraced":
        maps = torch.exp(-torch.ceil(squared / (2 * sigma**2)))
    else:
        raise ValueError(f"kind must be gaussian, exponential or terraced, got {kind!r}.")
    return maps * pose.visible[..., None, None]


def joints_from_heatmaps(
    heatmaps: Float[Tensor, "batch joints height width"], threshold: float = 0.1
) -> Pose:
    """Find the joint at the peak of every map.

    Args:
        heatmaps: One map per joint.
        threshold: A joint is visible if its peak is above this value.
    """
    width = heatmaps.shape[-1]
    peak, place = heatmaps.flatten(2).max(dim=2)
    visible = peak > threshold
    joints = torch.stack([place % width, place // width], dim=-1).to(heatmaps.dtype)
    return Pose(joints * visible[..., None], visible)
