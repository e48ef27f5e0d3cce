"""The simplest code with the same results as our operations, which they are compared with."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def stacked_shifts(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
    window: int,
) -> Float[Tensor, ""]:
    """Compute the nearest-neighbour loss naively: stack all shifts and use autograd."""
    height, width = generated.shape[-2:]
    padded = F.pad(target, (window // 2,) * 4, value=float("inf"))
    shifts = [
        padded[:, :, dy : dy + height, dx : dx + width]
        for dy in range(window)
        for dx in range(window)
    ]
    return torch.stack([(generated - shift).abs().sum(dim=1) for shift in shifts]).amin(0).mean()


def ten_copies(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Compute the deformable skip by definition: warp a copy of the features for every part."""
    batch, parts = masks.shape[:2]
    repeated = features.repeat_interleave(parts, dim=0)  # (B*P, C, H, W)
    grid = F.affine_grid(
        source_from_target.flatten(0, 1), list(repeated.shape), align_corners=False
    )
    warped = F.grid_sample(repeated, grid, align_corners=False).unflatten(0, (batch, parts))
    return (warped * masks[:, :, None]).amax(dim=1)
