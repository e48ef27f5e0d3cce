"""part_field: the parts' transforms blended into one smooth field."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.affine import FitMethod, part_transforms
from deformgan.parts import hull_edges, unit_length
from deformgan.pose import Pose, Skeleton

SOFTNESS = 0.06  # width of the transition between parts, in torso lengths


def part_field(
    source_pose: Pose,
    target_pose: Pose,
    skeleton: Skeleton,
    size: tuple[int, int],
    softness: float = SOFTNESS,
    method: FitMethod = "least_squares",
    distance: Float[Tensor, "batch parts height width"] | None = None,
) -> Float[Tensor, "batch 2 height width"]:
    """Compute the source position of every target pixel from the parts' transforms alone.

    The transforms are blended with softmax weights that fall with the distance to the part (0
    inside it): deep inside a part the field equals its transform, and between parts it is a blend,
    as in linear blend skinning.

    Args:
        source_pose: In pixels of the source image.
        target_pose: In pixels of the target image.
        skeleton: Defines the parts.
        size: Height and width of the target image.
        softness: In unit lengths of the target pose (torso lengths for people); towards 0 only the
            nearest part counts.
        method: See `fit_affine`.
        distance: Distances to the target pose's parts (see `part_distances`), if already computed.

    Returns:
        (x, y) in pixels of the source; the identity if no part has a transform.

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
    if distance is None:
        distance = part_distances(target_pose, skeleton, size)
    unit = unit_length(target_pose, skeleton).clamp(min=1)[:, None, None, None]
    # Parts without a transform are infinitely far, unless no part has one.
    far = torch.finfo(dtype).max / 4
    lacking = (~found & found.any(dim=1, keepdim=True))[:, :, None, None]
    weight = torch.softmax(torch.where(lacking, -far, -distance / (softness * unit)), dim=1)
    # Without the bfloat16 of a caller's autocast, whose error is half a pixel at pixel 100.
    with torch.autocast(weight.device.type, enabled=False):
        blended = torch.einsum("bphw,bpij->bijhw", weight, transforms)  # (B, 2, 3, H, W)
    x, y = own_places(size, target_pose.joints)
    return blended[:, :, 0] * x + blended[:, :, 1] * y + blended[:, :, 2]


def part_distances(
    pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Float[Tensor, "batch parts height width"]:
    """Compute the distance of every pixel to every part, 0 inside.

    A limb is a capsule half as wide as its mask; the torso (any part whose mask is the whole image)
    the convex hull of its visible joints; the head its square; a hull the union of discs of its
    margin around its visible joints.

    Args:
        pose: In pixels.
        skeleton: Defines the parts.
        size: Height and width.

    Returns:
        Distance in pixels; height plus width for a part that is not visible.
    """
    joints, unit = pose.joints, unit_length(pose, skeleton)[:, None, None]
    far = float(size[0] + size[1])
    grid = own_places(size, joints).permute(1, 2, 0)  # (H, W, 2)
    distances = []
    for part in skeleton.parts:
        own = skeleton.indices(part.joints)
        corners, seen = joints[:, own], pose.visible[:, own]
        enough = seen.sum(dim=1) >= (2 if part.region == "limb" else part.needs)
        if part.region == "limb":
            away = _to_segments(grid, corners[:, :1], corners[:, 1:])[:, 0]
            away = away - unit * (skeleton.limb_width / 4)
        elif part.region == "image":
            away = _to_hull(grid, corners, seen)
        elif part.region == "square":
            weight = seen.to(joints.dtype)[..., None]
            middle = (corners * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
            offset = (grid - middle[:, None, None]).abs()
            away = _length((offset - unit[..., None] * skeleton.square_half).clamp(min=0))
        else:
            to_joints = _length(grid - corners[:, :, None, None])
            away = to_joints.masked_fill(~seen[..., None, None], far).amin(dim=1)
            away = away - unit * part.margin
        distances.append(away.clamp(min=0).masked_fill(~enough[:, None, None], far))
    return torch.stack(distances, dim=1)


def nearness(
    distances: Float[Tensor, "batch parts height width"], unit: Float[Tensor, "batch"]
) -> Float[Tensor, "batch parts height width"]:
    """Return distances to parts in unit lengths (of at least a pixel), at most 1."""
    return (distances / unit.clamp(min=1)[:, None, None, None]).clamp(max=1)


def own_places(size: tuple[int, int], like: Tensor) -> Float[Tensor, "2 height width"]:
    """Return (x, y) of every pixel, in the type and on the device of another tensor."""
    y, x = (torch.arange(length, device=like.device, dtype=like.dtype) for length in size)
    return torch.stack(torch.broadcast_tensors(x, y[:, None]))


def _length(vectors: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape"]:
    squared = vectors.square().sum(dim=-1)
    # The root has no finite gradient at 0.
    return squared.clamp(min=1e-12).sqrt().where(squared > 0, 0)


def _to_segments(
    grid: Float[Tensor, "height width 2"],
    start: Float[Tensor, "batch segments 2"],
    end: Float[Tensor, "batch segments 2"],
) -> Float[Tensor, "batch segments height width"]:
    start, end = start[:, :, None, None], end[:, :, None, None]
    along = end - start
    length = along.square().sum(dim=-1).clamp(min=1e-6)
    share = (((grid - start) * along).sum(dim=-1) / length).clamp(0, 1)
    return _length(grid - start - share[..., None] * along)


def _to_hull(
    grid: Float[Tensor, "height width 2"],
    points: Float[Tensor, "batch points 2"],
    seen: Bool[Tensor, "batch points"],
) -> Float[Tensor, "batch height width"]:
    begins, edges = hull_edges(points, seen)
    away = _to_segments(grid, points, points + edges)
    away = away.masked_fill(~begins[..., None, None], torch.inf).amin(dim=1)
    offset, edges = grid - points[:, :, None, None], edges[:, :, None, None]
    side = edges[..., 0] * offset[..., 1] - edges[..., 1] * offset[..., 0]
    inside = ((side > 0) | ~begins[..., None, None]).all(dim=1)
    return away.masked_fill(inside, 0)
