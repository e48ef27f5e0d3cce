"""The person mask of the masked metrics."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from deformgan.draw.raster import FIELD_BONES, bar_corners, fill_disc, fill_polygon
from deformgan.parts import person_region
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

RADIUS = 4.0
_CLOSING = 5
LINKS = {
    OPENPOSE18.name: (
        *FIELD_BONES,
        ("neck", "right_ear"),
        ("neck", "left_ear"),
        ("right_hip", "left_hip"),
        ("left_hip", "left_shoulder"),
        ("right_hip", "right_shoulder"),
        ("right_ear", "left_ear"),
    )
}


def person_mask(
    pose: Pose, size: tuple[int, int], skeleton: Skeleton = OPENPOSE18
) -> Bool[Tensor, "batch height width"]:
    """Render the region that a person in this pose covers: thick bones with closed gaps.

    Args:
        pose: Pose in pixels. Bones with a missing end are omitted; bones of joints outside the
            frame are clipped.
        size: (height, width).
        skeleton: Defines the bones: for openpose18, the 23 links of the literature; for others,
            their bones and the regions of their parts, because the thickness of their bones is not
            defined.

    Source:
        Ma et al., "Pose Guided Person Image Generation", NIPS 2017, as reimplemented by the
        authors: discs of radius 4 px, bars 8 px wide, then 5x5 dilation and erosion. The radius is
        4 px at any image size, so torsos have holes at 256x256. The generator uses another mask.
    """
    region = thick_bones(pose, size, skeleton)
    if skeleton.name not in LINKS:
        region |= person_region(pose, skeleton, size)
    return close_gaps(region)


def thick_bones(
    pose: Pose, size: tuple[int, int], skeleton: Skeleton = OPENPOSE18
) -> Bool[Tensor, "batch height width"]:
    """Render the person mask before closing its gaps; arguments as in `person_mask`."""
    joints = pose.joints.double()
    region = torch.zeros(len(pose), *size, dtype=torch.bool, device=joints.device)
    for joint in range(len(skeleton.joints)):
        disc = fill_disc(joints[:, joint], RADIUS, size)
        region |= disc & pose.visible[:, joint, None, None]
    for link in LINKS.get(skeleton.name, skeleton.limbs):
        start, end = skeleton.indices(link)
        corners = bar_corners(joints[:, start], joints[:, end], RADIUS)
        seen = pose.visible[:, start] & pose.visible[:, end]
        region |= fill_polygon(corners, size) & seen[:, None, None]
    return region


def close_gaps(region: Bool[Tensor, "batch height width"]) -> Bool[Tensor, "batch height width"]:
    """Close gaps by 5x5 dilation and erosion."""
    # Both poolings ignore pixels outside the frame, so regions at the border keep their extent.
    dilated = F.max_pool2d(region[:, None].float(), _CLOSING, stride=1, padding=_CLOSING // 2)
    eroded = -F.max_pool2d(-dilated, _CLOSING, stride=1, padding=_CLOSING // 2)
    return eroded[:, 0] > 0.5
