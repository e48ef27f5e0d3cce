"""part_field: the parts' transforms blended into one smooth field, without cracks."""

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.affine import FitMethod, part_transforms
from deformgan.parts import unit_length
from deformgan.pose import Pose, Skeleton

SOFTNESS = 0.06  # torso lengths over which one part's transform hands over to the next


def part_field(
    source_pose: Pose,
    target_pose: Pose,
    skeleton: Skeleton,
    size: tuple[int, int],
    softness: float = SOFTNESS,
    method: FitMethod = "least_squares",
) -> Float[Tensor, "batch 2 height width"]:
    """Say for every target pixel where the source shows it, by the parts' transforms alone.

    Every transform counts with a softmax weight that falls with the distance to its part, which is
    0 inside: deep inside one part the field is that part's transform, and between parts it is a
    blend, as linear blend skinning is in space.

    Args:
        source_pose: In pixels of the source image.
        target_pose: In pixels of the target image.
        skeleton: The parts.
        size: Height and width of the target image.
        softness: In units of the target pose (torso lengths of people); towards 0 the nearest part
            wins outright.
        method: See `fit_affine`.

    Returns:
        (x, y) in pixels of the source. Where no part has a transform, the pixel's own place.

    Source:
        Ours; the paper cuts parts out by hard masks.
    """
    if softness <= 0:
        raise ValueError(f"softness must be positive, got {softness}.")
    dtype = source_pose.joints.dtype
    transforms, found = part_transforms(
        source_pose.to(torch.float64), target_pose.to(torch.float64), skeleton, method
    )
    transforms = transforms.to(dtype)
    distance = part_distances(target_pose, skeleton, size)
    unit = unit_length(target_pose, skeleton).clamp(min=1)[:, None, None, None]
    # Parts without a transform are infinitely far, unless there is no other.
    far = torch.finfo(dtype).max / 4
    lacking = (~found & found.any(dim=1, keepdim=True))[:, :, None, None]
    weight = torch.softmax(torch.where(lacking, -far, -distance / (softness * unit)), dim=1)
    blended = torch.einsum("bphw,bpij->bijhw", weight, transforms)  # (B, 2, 3, H, W)
    x, y = _pixels(size, target_pose.joints)
    return blended[:, :, 0] * x + blended[:, :, 1] * y[:, None] + blended[:, :, 2]


def part_distances(
    pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Float[Tensor, "batch parts height width"]:
    """Measure how far every pixel lies outside every part.

    A limb is a bar with round ends half as wide as its mask; the torso (or whatever part has the
    whole image as its mask) the polygon of its joints; the head its square; a hull the discs of its
    margin around its joints.

    Args:
        pose: In pixels.
        skeleton: The parts.
        size: Height and width.

    Returns:
        In pixels, 0 inside. Of a part that is not seen, the distance to where its joints are said
        to be, which means nothing.
    """
    joints, unit = pose.joints, unit_length(pose, skeleton)[:, None, None]
    x, y = _pixels(size, joints)
    grid = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1)  # (H, W, 2)
    distances = []
    for part in skeleton.parts:
        corners = joints[:, skeleton.indices(part.joints)]
        if part.region == "limb":
            away = _to_segments(grid, corners[:, :1], corners[:, 1:])[:, 0]
            away = away - unit * (skeleton.limb_width / 4)
        elif part.region == "image":
            edges = _to_segments(grid, corners, corners.roll(-1, dims=1)).amin(dim=1)
            away = torch.where(_inside_convex(grid, corners), torch.zeros_like(edges), edges)
        else:
            seen = pose.visible[:, skeleton.indices(part.joints)].to(joints.dtype)[..., None]
            if part.region == "square":
                middle = (corners * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
                offset = (grid - middle[:, None, None]).abs()
                outside = (offset - unit[..., None] * skeleton.square_half).clamp(min=0)
                away = outside.square().sum(dim=-1).sqrt()
            else:
                to_joints = (grid - corners[:, :, None, None]).square().sum(dim=-1).sqrt()
                hidden = (1 - seen)[..., None] * (size[0] + size[1])
                away = (to_joints + hidden).amin(dim=1) - unit * part.margin
        distances.append(away.clamp(min=0))
    return torch.stack(distances, dim=1)


def _pixels(size: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    return (
        torch.arange(size[1], dtype=like.dtype, device=like.device),
        torch.arange(size[0], dtype=like.dtype, device=like.device),
    )


def _to_segments(
    grid: Float[Tensor, "height width 2"],
    start: Float[Tensor, "batch segments 2"],
    end: Float[Tensor, "batch segments 2"],
) -> Float[Tensor, "batch segments height width"]:
    start, end = start[:, :, None, None], end[:, :, None, None]
    along = end - start
    length = along.square().sum(dim=-1).clamp(min=1e-6)
    share = (((grid - start) * along).sum(dim=-1) / length).clamp(0, 1)
    return (grid - start - share[..., None] * along).square().sum(dim=-1).sqrt()


def _inside_convex(
    grid: Float[Tensor, "height width 2"], corners: Float[Tensor, "batch corners 2"]
) -> Tensor:
    """Tell which pixels are on one side of all edges; true of no pixel if edges cross."""
    start, end = corners[:, :, None, None], corners.roll(-1, dims=1)[:, :, None, None]
    along, offset = end - start, grid - start
    side = along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]
    return (side >= 0).all(dim=1) | (side <= 0).all(dim=1)
