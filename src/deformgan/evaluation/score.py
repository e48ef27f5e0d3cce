"""Scores per image by the protocol deformgan-1."""

from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.protocol import PROTOCOLS
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18


def score(
    generated: UInt8[Tensor, "batch 3 height width"],
    target: UInt8[Tensor, "batch 3 height width"],
    target_pose: Pose,
    skeleton: Skeleton = OPENPOSE18,
) -> dict[str, Float[Tensor, "batch"]]:
    """Score generated images against real photos of the same people in the target poses.

    Args:
        generated: Generated images, RGB.
        target: Real photos, RGB.
        target_pose: Poses in pixels of the target, from which the person masks are rendered.
        skeleton: Skeleton of the poses.

    Returns:
        One number per image for `ssim`, `l1`, `psnr` and `mask_ssim`.

    Source:
        Siarohin et al., CVPR 2018, section 5. SSIM has scikit-image's current window of 11 taps
        instead of their 13.
    """
    height, width = target.shape[-2:]
    mask = person_mask(target_pose, (height, width), skeleton)
    return PROTOCOLS["deformgan-1"].scores(generated, target, mask)
