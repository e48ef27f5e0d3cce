"""part_corners, part_masks: body regions from joints."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.pose import Pose, Skeleton

Convention = Literal["deformgan", "reference"]

_START_EXTENSION = 0.1  # of the limb, beyond its first joint (authors' code)
_ON_THE_LINE = 1e-6  # tolerance for a point on an edge, relative to the hull's squared extent


def unit_length(pose: Pose, skeleton: Skeleton) -> Float[Tensor, "batch"]:
    """Compute the unit of length of each pose: the RMS length of its unit segments.

    For people these run from shoulder to hip. Segments with a missing end are ignored; a pose
    without any has length 0.

    Source:
        Authors' code (`compute_st_distance`); a usable pose always has both segments.
    """
    starts = skeleton.indices([start for start, _ in skeleton.unit])
    ends = skeleton.indices([end for _, end in skeleton.unit])
    squared = (pose.joints[:, starts] - pose.joints[:, ends]).square().sum(dim=-1)
    seen = pose.visible[:, starts] & pose.visible[:, ends]
    mean = (squared * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
    # The square root has no finite gradient at 0.
    return mean.clamp(min=1e-12).sqrt().where(mean > 0, 0)


def limb_corners(
    start: Float[Tensor, "*batch 2"],
    end: Float[Tensor, "*batch 2"],
    half_width: Float[Tensor, "*batch"],
    extension: Float[Tensor, "*batch"],
    start_extension: Float[Tensor, "*batch"] | float = _START_EXTENSION,
) -> Float[Tensor, "*batch 4 2"]:
    """Compute the corners of a limb's oriented rectangle.

    The start is moved away from the end by a tenth of the limb; then the end is moved away from the
    new start by `extension` times the extended length. A limb of zero length yields four points on
    a diagonal, one pixel from its joint: they enclose no area, so the mask is empty and no
    transform can be fitted.

    Args:
        start: First joint, (x, y) in pixels.
        end: Second joint.
        half_width: Half the rectangle's width in pixels.
        extension: Extension beyond the end, as a share of the length.
        start_extension: Extension beyond the start, as a share of the length.

    Source:
        Authors' code (`estimate_polygon`), corner order included.
    """
    if not isinstance(start_extension, Tensor):
        start_extension = torch.full_like(extension, start_extension)
    start_moved = start + start_extension[..., None] * (start - end)
    end_moved = end + extension[..., None] * (end - start_moved)
    axis = start_moved - end_moved
    length = axis.norm(dim=-1, keepdim=True)
    normal = torch.stack([-axis[..., 1], axis[..., 0]], dim=-1)
    has_length = length > 0
    normal = normal / torch.where(has_length, length, 1) * half_width[..., None]
    normal = torch.where(has_length, normal, 1.0)
    return torch.stack(
        [start_moved + normal, start_moved - normal, end_moved - normal, end_moved + normal], dim=-2
    )


def part_corners(
    pose: Pose, skeleton: Skeleton, extent: Literal["mask", "fit"] = "mask"
) -> tuple[Float[Tensor, "batch parts 4 2"], Bool[Tensor, "batch parts"]]:
    """Compute the corners of every limb's rectangle.

    Args:
        pose: In pixels.
        skeleton: Skeleton of the pose.
        extent: "mask" for the rectangle of the mask; "fit" for the one to which the reference fits
            its transform, which is shorter for lower limbs.

    Returns:
        Corners (x, y), zero for parts that are not limbs or not visible; and whether each part is a
        limb with both joints visible.
    """
    batch, parts = len(pose), skeleton.parts
    corners = pose.joints.new_zeros(batch, len(parts), 4, 2)
    present = torch.zeros(batch, len(parts), dtype=torch.bool, device=pose.joints.device)
    limbs = [place for place, part in enumerate(parts) if part.region == "limb"]
    if not limbs:
        return corners, present
    starts = skeleton.indices([parts[place].joints[0] for place in limbs])
    ends = skeleton.indices([parts[place].joints[1] for place in limbs])
    extensions = [
        parts[place].extension if extent == "mask" else parts[place].fit_extension
        for place in limbs
    ]
    half_width = unit_length(pose, skeleton) * (skeleton.limb_width / 2)
    seen = pose.visible[:, starts] & pose.visible[:, ends]
    rectangles = limb_corners(
        pose.joints[:, starts],
        pose.joints[:, ends],
        half_width[:, None].expand(-1, len(limbs)),
        pose.joints.new_tensor(extensions).expand(batch, -1),
    )
    corners[:, limbs] = torch.where(seen[..., None, None], rectangles, 0.0)
    present[:, limbs] = seen
    return corners, present


def inside_polygon(
    corners: Float[Tensor, "*batch corners 2"],
    x: Float[Tensor, "width"],
    y: Float[Tensor, "height"],
) -> Bool[Tensor, "*batch height width"]:
    """Return which points of a grid lie inside a polygon, by the even-odd rule.

    An edge spans columns from its smaller x (inclusive) to its larger x (exclusive) and toggles
    points strictly above it, so polygons that share an edge share no point.

    Args:
        corners: (x, y), in order.
        x: Columns of the grid.
        y: Rows of the grid.

    Source:
        Same rule as `grid_points_in_poly` of scikit-image 0.13, which the authors' masks use.
    """
    y = y[:, None]
    inside = torch.zeros(
        (*corners.shape[:-2], y.shape[0], x.shape[0]), dtype=torch.bool, device=corners.device
    )
    for first, second in zip(
        corners.unbind(dim=-2), corners.roll(1, dims=-2).unbind(dim=-2), strict=True
    ):
        x1, y1, x2, y2 = (
            value[..., None] for value in (*first.unbind(dim=-1), *second.unbind(dim=-1))
        )
        spans = (x1 <= x) != (x2 <= x)  # (*batch, width)
        run = torch.where(x1 == x2, 1, x2 - x1)
        crossing = (y2 - y1) * (x - x1) / run + y1
        inside ^= spans[..., None, :] & (y < crossing[..., None, :])
    return inside


def square_mask(
    centre: Float[Tensor, "batch 2"],
    half: Float[Tensor, "batch"],
    size: tuple[int, int],
    stride: int = 1,
    convention: Convention = "deformgan",
) -> Bool[Tensor, "batch height width"]:
    """Draw axis-aligned squares.

    Args:
        centre: (x, y) in pixels of the full image.
        half: Half side in pixels.
        size: Height and width of the full image.
        stride: Width of a mask pixel in image pixels.
        convention: "deformgan" selects pixel centres within the half side. "reference" truncates
            centre and half side to integers, excludes the last row and column, and fills nearly a
            whole row or column if the square ends to the left of or above the image.

    Source:
        Authors' code (`mask_from_kp_array`); the last quirk is due to Python's negative slice stop.
    """
    inside = []
    for axis, length in ((1, size[0]), (0, size[1])):
        place = pixel_centres(length, stride, centre, convention)
        middle = centre[:, axis, None]
        if convention == "reference":
            middle, reach = middle.trunc(), half[:, None].trunc()
            stop = (middle + reach).clamp(max=length)
            stop = torch.where(stop < 0, stop + length, stop)
            inside.append((place >= (middle - reach).clamp(min=0)) & (place < stop))
        else:
            inside.append((place - middle).abs() <= half[:, None])
    rows, columns = inside
    return rows[:, :, None] & columns[:, None, :]


def hull_mask(
    points: Float[Tensor, "batch points 2"],
    seen: Bool[Tensor, "batch points"],
    margin: Float[Tensor, "batch"],
    x: Float[Tensor, "width"],
    y: Float[Tensor, "height"],
) -> Bool[Tensor, "batch height width"]:
    """Draw all points within a margin of the convex hull of a point set.

    Args:
        points: (x, y) in pixels, in any order.
        seen: Which points to use. Without any, the mask is empty; a single point yields a disc,
            collinear points a bar with round ends.
        margin: In pixels.
        x: Columns of the grid.
        y: Rows of the grid.

    Source:
        Our addition; the paper uses only rectangles and squares.
    """
    starts, edges = hull_edges(points, seen)
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
    inside = seen.any(dim=1)[:, None, None].repeat(1, len(y), len(x))
    near = torch.zeros_like(inside)
    for corner, edge, used in zip(
        points.unbind(dim=1), edges.unbind(dim=1), starts.unbind(dim=1), strict=True
    ):
        away = grid - corner[:, None, None]
        edge = edge[:, None, None]  # noqa: PLW2901
        share = (away * edge).sum(dim=-1) / edge.square().sum(dim=-1).clamp(min=1e-12)
        gap = away - share.clamp(0, 1)[..., None] * edge
        used = used[:, None, None]  # noqa: PLW2901
        near |= used & (gap.norm(dim=-1) <= margin[:, None, None])
        # Strict inequality: a zero-length edge, or one traversed both ways, encloses nothing.
        # Points exactly on an edge are covered by `near`.
        inside &= ~used | (edge[..., 0] * away[..., 1] - edge[..., 1] * away[..., 0] > 0)
    return inside | near


def hull_outline(
    points: Float[Tensor, "points 2"], margin: float, corners: int = 16
) -> Float[Tensor, "outline 2"]:
    """Return the outline of all points within a margin of a convex hull, in order.

    Args:
        points: At least one, (x, y) in pixels, in any order.
        margin: In pixels.
        corners: Corners of the polygon around each point that stands for its circle.
    """
    turns = torch.arange(corners, device=points.device) * (2 * torch.pi / corners)
    circle = margin * torch.stack([turns.cos(), turns.sin()], dim=-1).to(points)
    around = (points[:, None] + circle).flatten(0, 1)
    # Andrew's monotone chain: both sides of the hull, from left to right and back.
    ordered = sorted(map(tuple, around.tolist()))
    outline = [*_chain(ordered)[:-1], *_chain(ordered[::-1])[:-1]]
    return points.new_tensor(outline)


def _chain(ordered: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the corners of one side of the convex hull of points ordered along x."""
    chain: list[tuple[float, ...]] = []
    for x, y in ordered:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            chain.pop()
        chain.append((x, y))
    return chain


def hull_edges(
    points: Float[Tensor, "batch points 2"], seen: Bool[Tensor, "batch points"]
) -> tuple[Bool[Tensor, "batch points"], Float[Tensor, "batch points 2"]]:
    """Find which points start an edge of their convex hull, and the vector along that edge."""
    batch, count = seen.shape
    runs = points[:, None] - points[:, :, None]  # from the first to the second
    # Cross products: the side of the line from the first to the second on which the third lies.
    sides = runs[:, :, :, None, 0] * runs[:, :, None, :, 1]
    sides = sides - runs[:, :, :, None, 1] * runs[:, :, None, :, 0]
    length = runs.square().sum(dim=-1)
    pairs = seen[:, :, None] & seen[:, None, :]
    extent = length.where(pairs, 0).amax(dim=(1, 2))[:, None, None]
    left = (sides >= -_ON_THE_LINE * extent[..., None]) | ~seen[:, None, None]
    edge = left.all(dim=-1) & pairs & (length > 0)
    # Among collinear ends take the farthest, so that every edge is complete.
    ends = length.where(edge, -1).argmax(dim=-1)
    begins = edge.any(dim=-1)
    vectors = runs.gather(2, ends[..., None, None].expand(batch, count, 1, 2))[:, :, 0]
    # Coincident points have no edge: treat each as its own.
    lone = seen & ~begins.any(dim=1, keepdim=True)
    return begins | lone, vectors.where(begins[..., None], 0)


def part_masks(
    pose: Pose,
    skeleton: Skeleton,
    size: tuple[int, int],
    stride: int = 1,
    convention: Convention = "deformgan",
) -> Bool[Tensor, "batch parts height width"]:
    """Draw the mask of every body part.

    Args:
        pose: In pixels of the full image.
        skeleton: Skeleton of the pose.
        size: Height and width of the full image.
        stride: Width of a mask pixel in image pixels.
        convention: "deformgan" samples the centre of each mask pixel; "reference" samples every
            `stride`-th pixel of the full image and reproduces the quirks of `square_mask`.

    Returns:
        One mask per part, empty if the part is not visible.

    Source:
        Section 3 (M_h). As in the authors' code, but unlike in the paper, the torso's region is
        the whole image, and masks are drawn in the target, after the warp.
    """
    joints = pose.joints
    rows = pixel_centres(size[0], stride, joints, convention)
    columns = pixel_centres(size[1], stride, joints, convention)
    masks = torch.zeros(
        (len(pose), len(skeleton.parts), len(rows), len(columns)),
        dtype=torch.bool,
        device=joints.device,
    )
    limbs = [place for place, part in enumerate(skeleton.parts) if part.region == "limb"]
    if limbs:
        corners, present = part_corners(pose, skeleton)
        masks[:, limbs] = inside_polygon(corners[:, limbs], columns, rows)
        masks &= present[:, :, None, None]
    for place, part in enumerate(skeleton.parts):
        if part.region == "limb":
            continue
        seen = pose.visible[:, skeleton.indices(part.joints)]
        enough = seen.sum(dim=1) >= part.needs
        if part.region == "image":
            masks[:, place] = enough[:, None, None]
            continue
        points = joints[:, skeleton.indices(part.joints)] * seen[..., None]
        if part.region == "hull":
            margin = unit_length(pose, skeleton) * part.margin
            hull = hull_mask(points, seen, margin, columns, rows)
            masks[:, place] = hull & enough[:, None, None]
            continue
        centre = points.sum(dim=1) / seen.sum(dim=1, keepdim=True).clamp(min=1)
        half = unit_length(pose, skeleton) * skeleton.square_half
        square = square_mask(centre, half, size, stride, convention)
        masks[:, place] = square & enough[:, None, None]
    return masks


def part_regions(
    pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Bool[Tensor, "batch parts height width"]:
    """Draw the area of the person that each part occupies.

    This is the part's mask, except for the torso, whose mask is the whole image: its region is the
    polygon of its joints plus bars along the edges, as wide as limbs, so that a torso seen edge-on
    has some width.

    Args:
        pose: In pixels.
        skeleton: Skeleton of the pose.
        size: Height and width.

    Returns:
        One region per part, empty if the part is not visible.
    """
    regions = part_masks(pose, skeleton, size)
    columns, rows = (
        torch.arange(length, dtype=pose.joints.dtype, device=pose.joints.device)
        for length in (size[1], size[0])
    )
    width = unit_length(pose, skeleton) * (skeleton.limb_width / 2)
    for place, part in enumerate(skeleton.parts):
        if part.region != "image":
            continue
        joints = skeleton.indices(part.joints)
        corners = pose.joints[:, joints]
        bars = limb_corners(
            corners,
            corners.roll(-1, dims=1),
            width[:, None].expand(-1, len(joints)),
            corners.new_zeros(len(pose), len(joints)),
            0.0,
        )
        body = inside_polygon(corners, columns, rows)
        body |= inside_polygon(bars, columns, rows).any(dim=1)
        regions[:, place] = body & pose.visible[:, joints].all(dim=1)[:, None, None]
    return regions


def person_region(
    pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Bool[Tensor, "batch height width"]:
    """Draw the whole person: the union of all `part_regions`."""
    return part_regions(pose, skeleton, size).any(dim=1)


def pixel_centres(
    length: int, stride: int, like: Tensor, convention: Convention = "deformgan"
) -> Float[Tensor, "places"]:
    """Return where the pixels of a mask lie along one axis, in image pixels.

    Args:
        length: Image pixels along the axis.
        stride: Width of a mask pixel in image pixels.
        like: Determines type and device.
        convention: See `part_masks`.
    """
    first = 0.0 if convention == "reference" else (stride - 1) / 2
    count = torch.arange(length // stride, dtype=like.dtype, device=like.device)
    return count * stride + first
