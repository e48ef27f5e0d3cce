"""fill_people: the scene of a photo without its person, as well as the photo itself can tell.

Rendered people come with the exact scene. Of a real photo the person is cut out, generously, and
what is round them is carried inwards.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.parts import hull_mask, person_region, unit_length
from deformgan.pose import Pose, Skeleton

MARGIN = 0.25  # torso lengths beyond the body: hair, loose clothes, bags, errors of the joints
# Where legs were not found they are looked for below the hips, in torso lengths: how far down (two
# thirds more than the median of 1.4 to the ankles, see `framing`) and to either side.
_LEGS, _APART = 1.9, 0.5
_BATCH = 256
_GREY = 127.5


def fill_people(
    images: UInt8[Tensor, "images 3 height width"], poses: Pose, skeleton: Skeleton
) -> UInt8[Tensor, "images 3 height width"]:
    """Takes the person out of every photo and fills the hole from its surroundings.

    Nothing of the person is left but what their joints do not tell of: a shadow, a bag held away.
    A photo that is all person becomes grey; one without a usable pose is given as it is.

    Args:
        images: RGB.
        poses: One per image, in its pixels.
        skeleton: Of the poses.

    Source:
        Ours. The authors trained on backgrounds of a data set with whole scenes (PRW) and do not
        tell how they made them; the supplied photos of Market-1501 are crops.
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
    """Draws where a person may be: the hull of all joints and parts, widened on all sides.

    Where joints of the legs were not found, the legs are taken to hang below the torso, if the
    skeleton is one that stands.

    Args:
        pose: In pixels.
        skeleton: Its parts.
        size: Height and width.

    Returns:
        Empty for a pose that is not usable.
    """
    columns, rows = (
        torch.arange(length, dtype=pose.joints.dtype, device=pose.joints.device)
        for length in (size[1], size[0])
    )
    none = torch.zeros(len(pose), dtype=pose.joints.dtype, device=pose.joints.device)
    region = person_region(pose, skeleton, size)
    # Every second pixel is enough of a smooth outline that is widened anyway.
    hull = hull_mask(pose.joints, pose.visible, none, columns[::2], rows[::2])
    hull = hull.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    region |= hull[:, : size[0], : size[1]]
    if skeleton.upright:
        region |= _below(pose, skeleton, columns, rows)
    reach = (unit_length(pose, skeleton) * MARGIN).round().long().clamp(min=2)
    wide = torch.zeros_like(region)
    for radius in reach.unique().tolist():  # discs of few different sizes
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
    """Add all that is no farther away than a radius in pixels."""
    steps = torch.arange(-radius, radius + 1, device=region.device)
    disc = (steps[:, None].square() + steps.square() <= radius**2).float()[None, None]
    return F.conv2d(region[:, None].float(), disc, padding=radius)[:, 0] > 0.5


def fill_holes(
    image: Float[Tensor, "batch channels height width"], hole: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Carries what is known into holes, smoothly, the widest parts from the farthest away.

    Means of known pixels over ever larger squares (pull) are handed back down wherever nothing
    finer is known (push).

    Args:
        image: Anything; what lies in holes is not looked at.
        hole: An image that is one hole, of which nothing is known, comes back as 0.

    Source:
        Gortler et al., "The Lumigraph", 1996: push-pull.
    """
    known = (~hole)[:, None].to(image.dtype)
    return _push_pull(image * known, known)


def _push_pull(total: Tensor, weight: Tensor) -> Tensor:
    # `total` is colour times weight; weights are at most 1.
    height, width = total.shape[-2:]
    if max(height, width) > 1:
        padding = (0, width % 2, 0, height % 2)
        coarse_total, coarse_weight = (
            F.avg_pool2d(F.pad(values, padding), 2) * 4 for values in (total, weight)
        )
        # One known pixel of four is enough to trust a coarse one.
        trust = coarse_weight.clamp(max=1)
        scale = trust / coarse_weight.clamp(min=1e-6)
        coarse = _push_pull(coarse_total * scale, trust)
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        coarse = coarse[..., :height, :width]
    else:
        coarse = torch.zeros_like(total)
    return total + (1 - weight) * coarse
