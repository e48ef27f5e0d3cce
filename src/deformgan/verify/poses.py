"""Checks of poses and all that is derived from them: heatmaps, transforms, masks, drawings."""

import numpy as np
import torch
import torch.nn.functional as F

from deformgan.affine import global_transform, part_transforms
from deformgan.draw.raster import (
    bar_corners,
    fill_disc,
    fill_polygon,
    rasterize_pose,
    rasterize_stickman,
)
from deformgan.evaluation.person_mask import LINKS, RADIUS, close_gaps, thick_bones
from deformgan.heatmap import joints_from_heatmaps, render_heatmaps
from deformgan.parts import part_corners, part_masks, unit_length
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.verify.checks import AllChecks, FileChecks
from deformgan.verify.golden import size_of, unpack
from deformgan.verify.pose_tags import contradiction
from deformgan.verify.tolerances import HEATMAP, TRANSFORM

# The reference's encoding of "no transform": everything is sampled far outside of the image.
NO_POINT = (1.0, 0.0, 1000.0, 0.0, 1.0, 1000.0, 0.0, 0.0)
# Distance in pixels from a polygon's edge within which inside or outside depends on rounding.
EDGE = 1e-6
_COMPARABLE, _NO_POINT, _DEGENERATE, _NAN = range(4)


def check_poses(all_checks: AllChecks, file: str) -> None:
    """Check poses_<size>.npz."""
    checks = all_checks.of_file(file)
    size = size_of(file)
    source, target = pose_of(checks["kp_from"]), pose_of(checks["kp_to"])
    _poses(checks, source, target, size)
    _transforms(checks, source, target)
    _rectangles(checks, source, target)
    _masks(checks, target, size)
    _person_masks(checks, target, size)
    _heatmaps(checks, target, size)
    _pictures(checks, target, size)


def pose_of(keypoints: np.ndarray) -> Pose:
    """Convert (N, J, 2) key points (y, x) to a pose; -1 in a coordinate marks a missing joint."""
    joints = torch.from_numpy(keypoints[..., ::-1].astype(np.float64))
    return Pose(joints, (joints != -1).all(dim=-1))


def with_no_point(transforms: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """Convert (N, P, 2, 3) transforms to the reference's 8-vectors."""
    vectors = F.pad(transforms.flatten(2), (0, 2))
    return torch.where(found[..., None], vectors, vectors.new_tensor(NO_POINT))


def heatmaps_of(pose: Pose, size: tuple[int, int]) -> torch.Tensor:
    """Render the reference's heatmaps: terraced for integer joints, Gaussian for others."""
    whole = (pose.joints == pose.joints.round()).all()
    kind = "terraced" if whole else "gaussian"
    return render_heatmaps(pose, size, kind=kind).float()


def _poses(checks: FileChecks, source: Pose, target: Pose, size: tuple[int, int]) -> None:
    usable = torch.stack([pose.usable(OPENPOSE18) for pose in (source, target)], dim=1)
    lengths = torch.stack([unit_length(pose, OPENPOSE18) for pose in (source, target)], dim=1)
    findings = [checks.same("valid", usable), checks.close("torso_len", lengths, TRANSFORM)]
    checks.proved_by(["kp_from", "kp_to"], findings)
    invalid = checks.same("invalid_check", pose_of(checks["invalid_kp"]).usable(OPENPOSE18))
    checks.proved_by(["invalid_kp"], [invalid])
    wrong = [
        f"{place}: {reason}"
        for place, tag in enumerate(checks["tags"].tolist())
        if (reason := contradiction(tag, source[[place]], target[[place]], size))
    ]
    checks.holds("tags", not wrong, "; ".join(wrong))


def _transforms(checks: FileChecks, source: Pose, target: Pose) -> None:
    for name, estimate in (("affine", part_transforms), ("uniform", global_transform)):
        transforms, found = estimate(source, target, OPENPOSE18, method="total")
        golden, codes = checks[name], checks[f"{name}_code"]
        codes = codes.reshape(golden.shape[:-1])
        # Random joints distinguish parts without points from parts with degenerate points.
        _, possible = estimate(_scattered(source, 0), _scattered(target, 1), OPENPOSE18, "total")
        nan = np.isnan(golden).any(axis=-1)
        ours = np.select(
            [found.numpy(), ~possible.numpy(), nan], [_COMPARABLE, _NO_POINT, _NAN], _DEGENERATE
        )
        same_codes = checks.same(f"{name}_code", ours.reshape(checks[f"{name}_code"].shape))
        comparable = (codes == _COMPARABLE) | (codes == _NO_POINT)
        where = np.broadcast_to(comparable[..., None], golden.shape)
        vectors = with_no_point(transforms, found)
        close = checks.close(name, vectors, TRANSFORM, where)
        checks.proved_by(["kp_from", "kp_to"], [same_codes, close])


def _scattered(pose: Pose, seed: int) -> Pose:
    generator = torch.Generator().manual_seed(seed)
    joints = 100 * torch.rand(pose.joints.shape, generator=generator, dtype=pose.joints.dtype)
    return Pose(joints, pose.visible)


def _rectangles(checks: FileChecks, source: Pose, target: Pose) -> None:
    limbs = [place for place, part in enumerate(OPENPOSE18.parts) if part.region == "limb"]
    for name, pose, extent, keypoints in (
        ("poly_mask_to", target, "mask", "kp_to"),
        ("poly_transform_to", target, "fit", "kp_to"),
        ("poly_transform_from", source, "fit", "kp_from"),
    ):
        corners, present = part_corners(pose, OPENPOSE18, extent)
        ours = torch.where(present[..., None, None], corners, torch.nan)[:, limbs]
        checks.proved_by([keypoints], [checks.close(name, ours, TRANSFORM)])


def _masks(checks: FileChecks, target: Pose, size: tuple[int, int]) -> None:
    masks, near = [], []
    for pose in _few_at_a_time(target):
        masks.append(part_masks(pose, OPENPOSE18, size, convention="reference"))
        corners, present = part_corners(pose, OPENPOSE18)
        near.append(_near_edge(corners, size) & present[..., None, None])
    ambiguous = unpack(checks["masks_ambiguous_packed"], size[1])
    found = checks.same_bits("masks_packed", torch.cat(masks), where=~ambiguous)
    checks.same_bits("masks_ambiguous_packed", torch.cat(near))
    checks.proved_by(["kp_to"], [found])


def _person_masks(checks: FileChecks, target: Pose, size: tuple[int, int]) -> None:
    masks, near = [], []
    for pose in _few_at_a_time(target):
        bones = thick_bones(pose, size, OPENPOSE18)
        masks.append(close_gaps(bones))
        without, within = _without_and_within_edges(bones, pose)
        near.append(close_gaps(without) != close_gaps(within))
    ambiguous = unpack(checks["ma_mask_ambiguous_packed"], size[1])
    checks.same_bits("ma_mask_packed", torch.cat(masks), where=~ambiguous)
    checks.same_bits("ma_mask_ambiguous_packed", torch.cat(near))


def _few_at_a_time(pose: Pose) -> tuple[Pose, ...]:
    # All masks of all poses at once exceed the CPU's cache and take three times as long.
    return tuple(pose[first : first + 4] for first in range(0, len(pose), 4))


def _near_edge(corners: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return which pixels lie within `EDGE` of an edge of polygons (..., corners, 2)."""
    start, end = corners[..., None, :], corners.roll(-1, dims=-2)[..., None, :]
    along = end - start  # (..., edges, 1, 2)
    # Only the pixel nearest to the line can qualify, in each column and in each row.
    pixels = []
    for axis, length in ((0, size[1]), (1, size[0])):
        centres = torch.arange(length, dtype=corners.dtype)
        run = along[..., axis]
        share = (centres - start[..., axis]) / torch.where(run == 0, 1, run)
        pixels.append(start + share.clamp(0, 1)[..., None] * along)
        pixels[-1][..., axis] = centres
    pixel = torch.cat(pixels, dim=-2).round()  # (..., edges, W + H, 2)
    squared = along.square().sum(dim=-1)
    share = ((pixel - start) * along).sum(dim=-1) / torch.where(squared > 0, squared, 1)
    distance = (pixel - start - share.clamp(0, 1)[..., None] * along).norm(dim=-1)
    inside = ((pixel >= 0) & (pixel < pixel.new_tensor([size[1], size[0]]))).all(dim=-1)
    place = (pixel[..., 1] * size[1] + pixel[..., 0]).clamp(0, size[0] * size[1] - 1).long()
    near = torch.zeros(*corners.shape[:-2], size[0] * size[1], dtype=torch.bool)
    *polygon, _, _ = hits = ((distance < EDGE) & inside).nonzero(as_tuple=True)
    near[*polygon, place[hits]] = True
    return near.unflatten(-1, size)


def _without_and_within_edges(bones: torch.Tensor, pose: Pose) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a person's bones without, and with, all pixels on the edges of bars.

    Closing is monotone: the pixels that depend on rounding are those that differ between the two
    once closed.
    """
    ends = [OPENPOSE18.indices(link) for link in LINKS[OPENPOSE18.name]]
    start, end = torch.tensor(ends).T
    corners = bar_corners(pose.joints[:, start], pose.joints[:, end], RADIUS)
    seen = pose.visible[:, start] & pose.visible[:, end]
    edges = _near_edge(corners, (bones.shape[1], bones.shape[2])) & seen[..., None, None]
    item, row, column = edges.any(dim=1).nonzero(as_tuple=True)
    # Find the bars and discs that cover these pixels, drawing each as a single-pixel image.
    pixel = torch.stack([column, row], dim=-1).to(corners.dtype)
    bars = fill_polygon(corners[item] - pixel[:, None, None], (1, 1))[..., 0, 0] & seen[item]
    discs = fill_disc(pose.joints[item] - pixel[:, None], RADIUS, (1, 1))[..., 0, 0]
    covered = (bars & ~edges[item, :, row, column]).any(dim=1)
    covered |= (discs & pose.visible[item]).any(dim=1)
    without, within = bones.clone(), bones.clone()
    without[item, row, column] = covered
    within[item, row, column] = True
    return without, within


def _heatmaps(checks: FileChecks, target: Pose, size: tuple[int, int]) -> None:
    stride = int(checks["heat_grid_stride"])
    full_ids = checks["heat_full_ids"].tolist()
    grids, sums, maxima, peaks, full = [], [], [], [], {}
    for place in range(len(target)):  # one at a time: all heatmaps at 256x256 take 1 GB
        maps = heatmaps_of(target[[place]], size)
        found = joints_from_heatmaps(maps)
        peaks.append(torch.where(found.visible[..., None], found.joints.flip(-1), -1.0))
        maps = maps[0].permute(1, 2, 0)
        grids.append(maps[::stride, ::stride])
        sums.append(maps.double().sum(dim=(0, 1)))
        maxima.append(maps.amax(dim=(0, 1)))
        if place in full_ids:
            full[place] = maps
    findings = [
        checks.close("heat_full", torch.stack([full[place] for place in full_ids]), HEATMAP),
        checks.close("heat_grid", torch.stack(grids), HEATMAP),
        checks.close("heat_sum", torch.stack(sums), HEATMAP * float(checks["heat_sum"].max())),
        checks.close("heat_max", torch.stack(maxima), HEATMAP),
        checks.same("map_to_cord", torch.cat(peaks)),
    ]
    checks.proved_by(["kp_to"], findings)
    checks.proved_by(["heat_full_ids"], findings[:1])
    checks.proved_by(["heat_grid_stride"], findings[1:2])


def _pictures(checks: FileChecks, target: Pose, size: tuple[int, int]) -> None:
    drawn = target[: len(checks["draw_colors"])]
    pictures, masks = rasterize_pose(drawn, size, OPENPOSE18)
    checks.same("draw_colors", pictures.permute(0, 2, 3, 1))
    checks.same_bits("draw_mask_packed", masks)
    stickmen = rasterize_stickman(target[: len(checks["stickman_x2"])], size, OPENPOSE18)
    checks.same("stickman_x2", (2 * stickmen).round().permute(0, 2, 3, 1))
