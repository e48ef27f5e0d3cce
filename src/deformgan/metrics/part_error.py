"""part_errors: which part of the body differs from the real photo, and by how much."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.parts import part_regions
from deformgan.pose import Pose, Skeleton

PREFIX = "part_error_"


def part_errors(
    generated: UInt8[Tensor, "batch channels height width"],
    target: UInt8[Tensor, "batch channels height width"],
    target_pose: Pose,
    skeleton: Skeleton,
) -> dict[str, Float[Tensor, "batch"]]:
    """Measures every image's mean absolute difference within each part, in float64.

    Regions overlap (an arm before the torso counts for both), and a limb's rectangle holds some
    background: compare the same part of different systems, rather than one part with another.

    Args:
        generated: Generated images.
        target: Real images.
        target_pose: In pixels of both.
        skeleton: Its parts; see `part_regions` for where they are.

    Returns:
        By name, `part_error_` and the part's: one number per image in units of the [-1, 1] scale,
        0 to 2; NaN where the part is not seen or wholly outside the image.
    """
    height, width = target.shape[-2:]
    regions = part_regions(target_pose, skeleton, (height, width)).to(target.device)
    difference = (generated.double() - target.double()).abs().mean(dim=1) * (2 / 255)
    # One part after the other: products of all at once would be ten images in float64.
    return {
        PREFIX + part.name: (difference * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2))
        for part, region in zip(skeleton.parts, regions.unbind(dim=1), strict=True)
    }


def present_mean(values: Float[Tensor, "images"]) -> tuple[float, int]:
    """Averages over the images that have a number, each with equal weight.

    Args:
        values: One number per image, NaN where it has none.

    Returns:
        The mean, NaN if no image has one; and how many images have.
    """
    present = ~values.isnan()
    return torch.nanmean(values.double()).item(), int(present.sum())
