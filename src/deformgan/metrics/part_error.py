"""part_errors: mean absolute difference per body part."""

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
    """Compute the mean absolute difference within each body part, in float64.

    Regions overlap (an arm in front of the torso counts for both), and a limb's rectangle includes
    some background: compare the same part across systems, not one part with another.

    Args:
        generated: Generated images.
        target: Real images.
        target_pose: Pose in pixels of both images.
        skeleton: Defines the parts; see `part_regions` for their regions.

    Returns:
        Errors by `part_error_` plus the part's name: one number per image on the [-1, 1] scale, 0
        to 2; NaN where the part is missing or entirely outside the image.
    """
    height, width = target.shape[-2:]
    regions = part_regions(target_pose, skeleton, (height, width)).to(target.device)
    difference = (generated.double() - target.double()).abs().mean(dim=1) * (2 / 255)
    # One part at a time: all products at once would take the memory of ten float64 images.
    return {
        PREFIX + part.name: (difference * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2))
        for part, region in zip(skeleton.parts, regions.unbind(dim=1), strict=True)
    }


def present_mean(values: Float[Tensor, "images"]) -> tuple[float, int]:
    """Return the mean over the images that have a value, and their number.

    Args:
        values: One number per image, NaN where it has none.

    Returns:
        The mean, NaN if no image has a value; and the number of images that have one.
    """
    present = ~values.isnan()
    return torch.nanmean(values.double()).item(), int(present.sum())
