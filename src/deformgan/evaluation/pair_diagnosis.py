"""diagnose_pairs: difficulties of a pair, derived from its two poses alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.affine import FitMethod, part_transforms
from deformgan.parts import part_corners, unit_length
from deformgan.pose import Pose, Skeleton

# Origins of a part's pixels. The last three are failures: a part of the target without a source.
ORIGINS = {
    "own": "warped by the transform of its own joints",
    "twin": "taken from its twin on the other side",
    "not_asked": "not visible in the target pose",
    "not_seen": "not visible in the source, nor is its twin",
    "no_common": "too few of its joints visible in both poses",
    "flat": "its joints lie on one line",
}
LOST = ("not_seen", "no_common", "flat")

VIEWS = ("front", "side", "back", "unknown")

# Width of shoulders and hips, relative to the torso's length, below which a view counts as side.
# Frontal and back views have 0.6 (median of Market-1501 and of the bundled people), so the limit
# corresponds to a rotation of 55 degrees. It classifies 224 of 225 bundled people, rendered from
# front, side and back, correctly; on Market-1501, both eyes are visible in 76 % of the views
# classified as front, 8 % of those as side and 0.3 % of those as back.
SIDE_WIDTH = 0.35


@dataclass(frozen=True)
class PairDiagnosis:
    """Difficulties of a batch of pairs.

    Attributes:
        missing_in_source: Joints missing in the source pose.
        missing_in_target: Joints missing in the target pose.
        origins: Origin of each part, as an index into `ORIGINS`.
        distance: Distance between the poses; see `pose_distance`.
        source_view: Viewpoint in the source, as an index into `VIEWS`.
        target_view: Viewpoint in the target, as an index into `VIEWS`.
    """

    missing_in_source: Bool[Tensor, "pairs joints"]
    missing_in_target: Bool[Tensor, "pairs joints"]
    origins: Int64[Tensor, "pairs parts"]
    distance: Float[Tensor, "pairs"]
    source_view: Int64[Tensor, "pairs"]
    target_view: Int64[Tensor, "pairs"]

    def of_origin(self, *names: str) -> Bool[Tensor, "pairs parts"]:
        """Return a mask of the parts whose origin is in `names`."""
        wanted = torch.tensor([list(ORIGINS).index(name) for name in names])
        return torch.isin(self.origins, wanted)


def diagnose_pairs(
    source_pose: Pose, target_pose: Pose, skeleton: Skeleton, method: FitMethod = "least_squares"
) -> PairDiagnosis:
    """Diagnose the difficulties of every pair.

    Args:
        source_pose: Poses in pixels of the source photos.
        target_pose: Poses in pixels of the target photos.
        skeleton: Skeleton of both.
        method: Fitting method of the generator's transforms; see `fit_affine`.
    """
    return PairDiagnosis(
        ~source_pose.visible,
        ~target_pose.visible,
        part_origins(source_pose, target_pose, skeleton, method),
        pose_distance(source_pose, target_pose, skeleton),
        viewpoints(source_pose, skeleton),
        viewpoints(target_pose, skeleton),
    )


def part_origins(
    source_pose: Pose, target_pose: Pose, skeleton: Skeleton, method: FitMethod = "least_squares"
) -> Int64[Tensor, "pairs parts"]:
    """Return the origin of every part, as indices into `ORIGINS`; see `diagnose_pairs`."""
    # Double precision, as in the generator.
    poses = (source_pose.to(torch.float64), target_pose.to(torch.float64))
    _, found = part_transforms(*poses, skeleton, method)
    code = {name: place for place, name in enumerate(ORIGINS)}
    origins = torch.full(found.shape, code["own"], device=found.device)
    _, limb_in_source = part_corners(source_pose, skeleton)
    _, limb_in_target = part_corners(target_pose, skeleton)
    for place, part in enumerate(skeleton.parts):
        if part.region == "limb":
            twin = skeleton.part_index(part.twin or part.name)
            own, other = limb_in_source[:, place], limb_in_source[:, twin]
            asked, seen, shared = limb_in_target[:, place], own | other, own | other
            from_twin = found[:, place] & ~own
        else:
            joints, anchors = skeleton.indices(part.joints), skeleton.indices(part.anchors)
            both = source_pose.visible & target_pose.visible
            asked = target_pose.visible[:, joints].sum(dim=1) >= part.needs
            seen = source_pose.visible[:, joints].sum(dim=1) >= part.needs
            shared = (both[:, joints].sum(dim=1) >= part.needs) & both[:, anchors].all(dim=1)
            from_twin = torch.zeros_like(asked)
        origin = origins[:, place]
        origin[from_twin] = code["twin"]
        # Later assignments override earlier ones: the first reason that applies is written last.
        origin[~found[:, place]] = code["flat"]
        origin[~shared] = code["no_common"]
        origin[~seen] = code["not_seen"]
        origin[~asked] = code["not_asked"]
    return origins


def pose_distance(
    source_pose: Pose, target_pose: Pose, skeleton: Skeleton
) -> Float[Tensor, "pairs"]:
    """Compute the mean distance of the joints visible in both poses, in torso lengths.

    The torsos are aligned first (same centre and length, no rotation), so that position and size in
    the photo do not matter.

    Returns:
        Mean distances; NaN where a pose has no torso length, or no joint is visible in both.
    """
    both = source_pose.visible & target_pose.visible
    anchors = both & torch.zeros_like(both).index_fill_(
        1, torch.tensor(skeleton.mandatory_joints, device=both.device), True
    )
    source, target = (_on_torso(pose, anchors, skeleton) for pose in (source_pose, target_pose))
    apart = (source - target).norm(dim=-1).where(both, 0)
    return apart.sum(dim=1) / both.sum(dim=1)


def _on_torso(pose: Pose, anchors: Tensor, skeleton: Skeleton) -> Tensor:
    """Normalize joints so that the anchors are centred at 0 and the torso length is 1."""
    joints = pose.joints.double()
    weight = anchors[..., None].double()
    middle = (joints * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True)
    length = unit_length(Pose(joints, pose.visible), skeleton)[:, None, None]
    return (joints - middle) / torch.where(length > 0, length, torch.nan)


def viewpoints(pose: Pose, skeleton: Skeleton) -> Int64[Tensor, "batch"]:
    """Classify the viewpoint of each person, as indices into `VIEWS`.

    A person who faces the camera has the right shoulder and hip to the left of the left ones in the
    image. The mean of both widths relative to the torso's length measures the torso's rotation. It
    is measured perpendicular to the torso's axis, so leaning does not change the view.

    Args:
        pose: Poses in pixels.
        skeleton: Skeleton whose unit segments run along the torso; pairs of mirrored joints at
            their ends define the widths.

    Returns:
        Views; "unknown" where a required joint is missing, or the torso has no length.
    """
    starts, ends = zip(*skeleton.unit, strict=True)
    widths = [pair for pair in skeleton.mirrored if set(pair) <= {*starts, *ends}]
    joints = pose.joints.double()
    along = (joints[:, skeleton.indices(starts)] - joints[:, skeleton.indices(ends)]).mean(dim=1)
    length = along.norm(dim=1)
    rightward = torch.stack([along[:, 1], -along[:, 0]], dim=1)  # x axis of an upright torso
    used = skeleton.indices([*starts, *ends, *(joint for pair in widths for joint in pair)])
    known = pose.visible[:, used].all(dim=1) & (length > 0)
    if not widths:
        return torch.full((len(pose),), VIEWS.index("unknown"), device=joints.device)
    right, left = (skeleton.indices(side) for side in zip(*widths, strict=True))
    across = (joints[:, left] - joints[:, right]).mean(dim=1)
    width = (across * rightward).sum(dim=1) / length.square()
    view = torch.full_like(width, VIEWS.index("side"), dtype=torch.int64)
    view[width >= SIDE_WIDTH] = VIEWS.index("front")
    view[width <= -SIDE_WIDTH] = VIEWS.index("back")
    view[~known] = VIEWS.index("unknown")
    return view


def describe_pair(diagnosis: PairDiagnosis, row: int, skeleton: Skeleton) -> str:
    """Describe the difficulties of a pair in one sentence."""
    parts = [part.name for part in skeleton.parts]
    source, target = VIEWS[diagnosis.source_view[row]], VIEWS[diagnosis.target_view[row]]
    distance = diagnosis.distance[row].item()
    said = [f"from {source} to {target}" if source != target else f"{source} in both"]
    if math.isfinite(distance):
        said.append(f"joints move by {distance:.2f} torso lengths")
    said += [
        f"{_listed(some)} without a transform ({ORIGINS[name]})"
        for name in LOST
        if (some := _chosen(parts, diagnosis.of_origin(name)[row]))
    ]
    if some := _chosen(parts, diagnosis.of_origin("twin")[row]):
        said.append(f"{_listed(some)} taken from the twin")
    if some := _chosen(parts, diagnosis.of_origin("not_asked")[row]):
        said.append(f"{_listed(some)} not in the target pose")
    for whose, missing in (
        ("source", diagnosis.missing_in_source),
        ("target", diagnosis.missing_in_target),
    ):
        if joints := _chosen(skeleton.joints, missing[row]):
            said.append(f"the {whose} lacks {_listed(joints)}")
    return "; ".join(said) + "."


def tabulate_pairs(diagnosis: PairDiagnosis, skeleton: Skeleton) -> dict[str, list[Any]]:
    """Convert a diagnosis to JSON columns, with joints and parts as names separated by spaces."""
    parts = [part.name for part in skeleton.parts]
    distances = diagnosis.distance.tolist()
    return {
        "missing_in_source": _joined(skeleton.joints, diagnosis.missing_in_source),
        "missing_in_target": _joined(skeleton.joints, diagnosis.missing_in_target),
        "lost_parts": _joined(parts, diagnosis.of_origin(*LOST)),
        "not_asked_parts": _joined(parts, diagnosis.of_origin("not_asked")),
        "twin_parts": _joined(parts, diagnosis.of_origin("twin")),
        "pose_distance": [round(d, 4) if math.isfinite(d) else None for d in distances],
        "source_view": [VIEWS[code] for code in diagnosis.source_view.tolist()],
        "target_view": [VIEWS[code] for code in diagnosis.target_view.tolist()],
    }


def _chosen(names: Sequence[str], which: Bool[Tensor, "names"]) -> list[str]:
    return [name for name, here in zip(names, which.tolist(), strict=True) if here]


def _listed(names: Sequence[str]) -> str:
    *first, last = (name.replace("_", " ") for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _joined(names: Sequence[str], which: Bool[Tensor, "pairs names"]) -> list[str]:
    return [" ".join(_chosen(names, row)) for row in which]
