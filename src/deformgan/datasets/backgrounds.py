"""fill_people: the background of a photo, with its person inpainted from the surroundings.

Rendered people come with their exact background. In real photos, a generous region around the
person is cut out and filled from its border.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor

from deformgan.parts import hull_mask, person_region, unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.push_pull import fill_holes

MARGIN = 0.25  # torso lengths around the body: hair, loose clothes, bags, joint errors
# Assumed region of undetected legs below the hips, in torso lengths: how far down (the median
# distance to the ankles is 1.4, see `framing`, plus a third) and how far to either side.
_LEGS, _APART = 1.9, 0.5
_BATCH = 256
_GREY = 127.5


def fill_people(
    images: UInt8[Tensor, "images 3 height width"], poses: Pose, skeleton: Skeleton
) -> UInt8[Tensor, "images 3 height width"]:
    """Remove the person from every photo and fill the hole from its surroundings.

    Only what the joints do not reveal remains, such as a shadow or a bag held away from the body. A
    photo entirely covered by the person becomes grey; one without a usable pose is unchanged.

    Args:
        images: RGB.
        poses: One per image, in its pixels.
        skeleton: Skeleton of the poses.

    Source:
        Ours. The authors trained on backgrounds from a data set with whole scenes (PRW) and do not
        describe how they made them; the photos supplied with Market-1501 are crops.
    """
    filled = []
    for rows in torch.arange(len(images)).split(_BATCH):
        pose, image = poses[rows], images[rows].float() - _GREY
        hole = person_hole(pose, skeleton, (images.shape[2], images.shape[3]))
        scene = fill_holes(image, hole) + _GREY
        filled.append(scene.round().clamp(0, 255).to(torch.uint8))
    return torch.cat(filled)


def person_hole(
    pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Bool[Tensor, "batch height width"]:
    """Draw the region where a person may be: the hull of all joints and parts, widened.

    If some leg joints are missing and the skeleton is upright, the legs are assumed to hang below
    the torso.

    Args:
        pose: In pixels.
        skeleton: Skeleton of the pose.
        size: Height and width.

    Returns:
        One mask per pose, empty for unusable poses.
    """
    columns, rows = (
        torch.arange(length, dtype=pose.joints.dtype, device=pose.joints.device)
        for length in (size[1], size[0])
    )
    none = torch.zeros(len(pose), dtype=pose.joints.dtype, device=pose.joints.device)
    region = person_region(pose, skeleton, size)
    # Half resolution suffices for a smooth outline that is widened anyway.
    hull = hull_mask(pose.joints, pose.visible, none, columns[::2], rows[::2])
    hull = hull.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    region |= hull[:, : size[0], : size[1]]
    if skeleton.upright:
        region |= _below(pose, skeleton, columns, rows)
    reach = (unit_length(pose, skeleton) * MARGIN).round().long().clamp(min=2)
    wide = torch.zeros_like(region)
    for radius in reach.unique().tolist():  # few distinct disc sizes
        alike = reach == radius
        wide[alike] = widen(region[alike], radius)
    return wide & pose.usable(skeleton)[:, None, None]


def _below(pose: Pose, skeleton: Skeleton, columns: Tensor, rows: Tensor) -> Tensor:
    lower = skeleton.indices([start for start, _ in skeleton.unit])
    place = pose.joints[:, lower]
    unit = unit_length(pose, skeleton)
    left = place[..., 0].amin(dim=1) - _APART * unit
    right = place[..., 0].amax(dim=1) + _APART * unit
    top = place[..., 1].amin(dim=1)
    across = (columns >= left[:, None]) & (columns <= right[:, None])
    down = (rows >= top[:, None]) & (rows <= (top + _LEGS * unit)[:, None])
    legs = {start for start, _ in skeleton.unit}
    for part in skeleton.parts:
        if part.region == "limb" and part.joints[0] in legs:
            legs.add(part.joints[1])
    whole = pose.visible[:, skeleton.indices(sorted(legs))].all(dim=1)
    return across[:, None, :] & down[:, :, None] & ~whole[:, None, None]


def widen(
    region: Bool[Tensor, "batch height width"], radius: int
) -> Bool[Tensor, "batch height width"]:
    """Dilate a region by a disc of the given radius in pixels."""
    steps = torch.arange(-radius, radius + 1, device=region.device)
    disc = (steps[:, None].square() + steps.square() <= radius**2).float()[None, None]
    return F.conv2d(region[:, None].float(), disc, padding=radius)[:, 0] > 0.5
