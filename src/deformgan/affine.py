"""fit_affine, part_transforms, normalize: affine transforms of body parts."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.parts import part_corners
from deformgan.pose import Pose, Skeleton

FitMethod = Literal["least_squares", "total"]
Frame = Literal["half_pixel", "strided"]

# Smallest RMS distance of the points from their best line, in pixels; a fit with less spread counts
# as degenerate. Half a pixel is below a detector's accuracy, and such a transform would magnify
# that error over the whole image. The reference rejects only what cannot be inverted numerically.
MIN_SPREAD: dict[FitMethod, float] = {"least_squares": 0.5, "total": 1e-6}


def fit_affine(
    source_points: Float[Tensor, "*batch points 2"],
    target_points: Float[Tensor, "*batch points 2"],
    used: Bool[Tensor, "*batch points"],
    method: FitMethod = "least_squares",
    min_spread: float | None = None,
) -> tuple[Float[Tensor, "*batch 2 3"], Bool[Tensor, "*batch"]]:
    """Fit the affine transform that maps target points to source points.

    Args:
        source_points: (x, y) in pixels.
        target_points: Corresponding points, (x, y) in pixels.
        used: Which points to use.
        method: "least_squares" minimizes the distance in the source. "total" is the homogeneous
            estimate by singular value decomposition of normalized points. Both agree when an exact
            transform exists.
        min_spread: Smallest spread of both point sets across their best line, in pixels; by default
            `MIN_SPREAD` of the method.

    Returns:
        `source_from_target`, the identity where no transform can be fitted; and where one was.

    Source:
        Section 3, fitted target to source because that is what sampling needs. The authors' code
        calls scikit-image's estimate, which is "total".
    """
    if method not in MIN_SPREAD:
        raise ValueError(f"method must be least_squares or total, got {method!r}.")
    if min_spread is None:
        min_spread = MIN_SPREAD[method]
    weight = used[..., None].to(source_points.dtype)
    count = weight.sum(dim=-2, keepdim=True).clamp(min=1)
    source_mean = (source_points * weight).sum(dim=-2, keepdim=True) / count
    target_mean = (target_points * weight).sum(dim=-2, keepdim=True) / count
    source = (source_points - source_mean) * weight
    target = (target_points - target_mean) * weight
    spread = torch.minimum(_spread(source, count), _spread(target, count))
    found = (spread >= min_spread) & (used.sum(dim=-1) >= 3)
    if method == "least_squares":
        linear = _least_squares(source, target)
        offset = source_mean.mT - linear @ target_mean.mT
    else:
        linear, offset = _total_least_squares(source, target, weight, count)
        offset = offset + source_mean.mT - linear @ target_mean.mT
    transform = torch.cat([linear, offset], dim=-1)
    found = found & transform.isfinite().all(dim=-1).all(dim=-1)
    identity = torch.eye(2, 3, dtype=transform.dtype, device=transform.device)
    return torch.where(found[..., None, None], transform, identity), found


def _spread(centred: Tensor, count: Tensor) -> Tensor:
    """Return the RMS distance of centred points (..., N, 2) from the best line through them."""
    xx, xy, yy = (
        (centred[..., i] * centred[..., j]).sum(dim=-1) for i, j in ((0, 0), (0, 1), (1, 1))
    )
    # The smaller eigenvalue as determinant over the larger: less cancellation for thin point sets.
    larger = (xx + yy) / 2 + ((xx - yy).square() / 4 + xy.square()).sqrt()
    determinant = xx * yy - xy.square()
    # For points on a line, the difference is pure rounding error, which would pass for a spread.
    determinant = determinant * (determinant > 8 * torch.finfo(xx.dtype).eps * xx * yy)
    smaller = determinant / torch.where(larger > 0, larger, 1)
    return (smaller / count[..., 0, 0]).sqrt()


def _least_squares(source: Tensor, target: Tensor) -> Tensor:
    """Solve the 2x2 normal equations of centred points (..., N, 2)."""
    across = source.mT @ target
    within = target.mT @ target
    (a, b), (_, d) = within.unbind(dim=-2)[0].unbind(-1), within.unbind(dim=-2)[1].unbind(-1)
    determinant = a * d - b * b
    adjugate = torch.stack([torch.stack([d, -b], -1), torch.stack([-b, a], -1)], -2)
    safe = torch.where(determinant > 0, determinant, 1)
    return across @ adjugate / safe[..., None, None]


def _total_least_squares(
    source: Tensor, target: Tensor, weight: Tensor, count: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve the homogeneous system of centred points, each set scaled to RMS radius root 2."""
    source_scale, target_scale = (
        (2 * count / points.square().sum(dim=(-2, -1), keepdim=True)).sqrt()
        for points in (source, target)
    )
    source_scale, target_scale = (
        torch.where(scale.isfinite(), scale, 1) for scale in (source_scale, target_scale)
    )
    xs, ys = (target * target_scale).unbind(dim=-1)
    xd, yd = (source * source_scale).unbind(dim=-1)
    one, zero = weight[..., 0], torch.zeros_like(xs)
    rows_x = torch.stack([xs, ys, one, zero, zero, zero, -xd], dim=-1)
    rows_y = torch.stack([zero, zero, zero, xs, ys, one, -yd], dim=-1)
    system = torch.cat([rows_x, rows_y], dim=-2)
    solution = torch.linalg.svd(system, full_matrices=True).Vh[..., -1, :]
    solution = (solution[..., :6] / solution[..., 6:]).unflatten(-1, (2, 3))
    linear = solution[..., :2] * target_scale / source_scale
    return linear, solution[..., 2:] / source_scale


def part_transforms(
    source_pose: Pose, target_pose: Pose, skeleton: Skeleton, method: FitMethod = "least_squares"
) -> tuple[Float[Tensor, "batch parts 2 3"], Bool[Tensor, "batch parts"]]:
    """Fit one transform per body part.

    A limb that is not visible in the source uses the corners of its twin on the other side. The
    order of the corners is kept, so the twin is moved, not mirrored.

    Args:
        source_pose: In pixels of the source image.
        target_pose: In pixels of the target image.
        skeleton: Defines the parts.
        method: See `fit_affine`. "total" also fits lower limbs to the reference's shorter
            rectangles; "least_squares" uses one rectangle for mask and transform.

    Returns:
        `source_from_target` in pixels, and which parts have a transform. The others hold the
        identity; their masks must be emptied.

    Source:
        Sections 3 and 4.2. The authors' code marks a part without a transform by a shift of 1000
        pixels; here the second result does.
    """
    batch, parts = len(source_pose), skeleton.parts
    identity = torch.eye(2, 3, dtype=source_pose.joints.dtype, device=source_pose.joints.device)
    transforms = identity.repeat(batch, len(parts), 1, 1)
    found = torch.zeros(batch, len(parts), dtype=torch.bool, device=identity.device)

    limbs = [place for place, part in enumerate(parts) if part.region == "limb"]
    if limbs:
        twins = [skeleton.part_index(parts[i].twin or parts[i].name) for i in limbs]
        extent = "fit" if method == "total" else "mask"
        source_corners, in_source = part_corners(source_pose, skeleton, extent)
        target_corners, in_target = part_corners(target_pose, skeleton, extent)
        own = in_source[:, limbs]
        corners = torch.where(
            own[..., None, None], source_corners[:, limbs], source_corners[:, twins]
        )
        used = in_target[:, limbs] & (own | in_source[:, twins])
        transforms[:, limbs], found[:, limbs] = fit_affine(
            corners, target_corners[:, limbs], used[..., None].expand(-1, -1, 4), method
        )

    for place, part in enumerate(parts):
        if part.region == "limb":
            continue
        own, anchors = skeleton.indices(part.joints), skeleton.indices(part.anchors)
        common = source_pose.visible & target_pose.visible
        enough = (common[:, own].sum(dim=1) >= part.needs) & common[:, anchors].all(dim=1)
        transforms[:, place], found[:, place] = fit_affine(
            source_pose.joints[:, own + anchors],
            target_pose.joints[:, own + anchors],
            common[:, own + anchors] & enough[:, None],
            method,
        )
    return transforms, found


def global_transform(
    source_pose: Pose, target_pose: Pose, skeleton: Skeleton, method: FitMethod = "least_squares"
) -> tuple[Float[Tensor, "batch 1 2 3"], Bool[Tensor, "batch 1"]]:
    """Fit the single transform of the ablation "single global affine" to the core joints.

    Args:
        source_pose: In pixels of the source image.
        target_pose: In pixels of the target image.
        skeleton: Defines the core joints; those visible in both poses are used.
        method: See `fit_affine`.

    Returns:
        As `part_transforms`, with one part.
    """
    core = skeleton.indices(skeleton.core)
    transform, found = fit_affine(
        source_pose.joints[:, core],
        target_pose.joints[:, core],
        (source_pose.visible & target_pose.visible)[:, core],
        method,
    )
    return transform[:, None], found[:, None]


def normalize(
    source_from_target: Float[Tensor, "batch parts 2 3"],
    size: tuple[int, int],
    frame: Frame = "half_pixel",
    stride: int = 1,
) -> Float[Tensor, "batch parts 2 3"]:
    """Convert transforms from pixels to the [-1, 1] frame of `align_corners=False`.

    Args:
        source_from_target: In pixels of the full image.
        size: Height and width of the full image.
        frame: "half_pixel": a feature map covers the image's area, so the result is valid at every
            resolution. "strided": pixel i of the map corresponds to pixel i * stride of the image,
            so the result depends on the resolution.
        stride: Image pixels per feature pixel; used in the strided frame only.

    Source:
        The strided frame is the authors' (translations divided by the stride, linear part kept).
    """
    if frame == "half_pixel":
        stride = 1
    elif frame != "strided":
        raise ValueError(f"frame must be half_pixel or strided, got {frame!r}.")
    height, width = size[0] // stride, size[1] // stride
    scale = source_from_target.new_tensor([2 / width, 2 / height])
    shift = source_from_target.new_tensor([1 / width - 1, 1 / height - 1])
    # normalized = scale * pixel + shift, on both sides of the transform.
    linear = source_from_target[..., :2] * scale[:, None] / scale
    offset = source_from_target[..., 2] / stride * scale + shift - (linear @ shift)
    return torch.cat([linear, offset[..., None]], dim=-1)
