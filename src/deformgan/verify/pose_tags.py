"""Checks of the tags that describe pairs of poses."""

import torch

from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

_HEAD = OPENPOSE18.indices(OPENPOSE18.parts[OPENPOSE18.part_index("head")].joints)
_TORSO = OPENPOSE18.mandatory_joints
_SHOULDERS = OPENPOSE18.indices(["right_shoulder", "left_shoulder"])
_LIMBS = [part for part in OPENPOSE18.parts if part.region == "limb"]


def contradiction(tag: str, source: Pose, target: Pose, size: tuple[int, int]) -> str:
    """Describe how a pair of poses contradicts its tag.

    Args:
        tag: Special property of the pair.
        source: One pose in pixels; missing coordinates are -1.
        target: One pose in pixels; missing coordinates are -1.
        size: Height and width of the frame.

    Returns:
        Empty if the poses are consistent with the tag.
    """
    facts = {
        "plain": lambda: not any(_odd(pose, size) for pose in (source, target)),
        "from_one_side_missing": lambda: _twins_missing(source, target, 1),
        "from_both_sides_missing": lambda: _twins_missing(source, target, 2),
        "to_limb_missing": lambda: bool((~_limbs_seen(target)).any()),
        "head_missing_from": lambda: not _heads(source) and _heads(target),
        "head_missing_to": lambda: _heads(source) and not _heads(target),
        "head_missing_both": lambda: not _heads(source) and not _heads(target),
        "head_disjoint": lambda: not _common_heads(source, target) and _heads(source, target),
        "head_single_common": lambda: _common_heads(source, target) == 1,
        # Each pose has two, judging by the other arrays of the files; never more in common.
        "head_two_common": lambda: 1 <= _common_heads(source, target) <= 2,
        "half_missing": lambda: _half_missing(source) or _half_missing(target),
        "out_of_frame_right_bottom": lambda: _beyond(target, size),
        "out_of_frame_left_top": lambda: _before(target),
        "out_of_frame_all_shift": lambda: _beyond(target, size) or _before(target),
        "head_out_of_frame_negative": lambda: _head_window_ends_before(target),
        "from_out_of_frame": lambda: _beyond(source, size) or _before(source),
        "coincident_to_limb": lambda: _no_length(target) and not _no_length(source),
        "coincident_from_limb": lambda: _no_length(source) and not _no_length(target),
        "coincident_both_limb": lambda: _no_length(source) and _no_length(target),
        "torso_collinear_to": lambda: _torso_rank(target) == 1,
        "torso_collinear_from": lambda: _torso_rank(source) == 1,
        "torso_point_to": lambda: _torso_rank(target) == 0,
        "torso_point_from": lambda: _torso_rank(source) == 0,
        "shoulders_coincide_to": lambda: _rank(target, _SHOULDERS) == 0,
        "axis_aligned_to": lambda: _axis_aligned(target),
        "identical": lambda: torch.equal(source.joints, target.joints),
        "subpixel": lambda: not (_whole(source) and _whole(target)),
    }
    if tag not in facts:
        return f"unknown tag {tag!r}"
    return "" if facts[tag]() else f"the poses are not {tag!r}"


def _odd(pose: Pose, size: tuple[int, int]) -> bool:
    return (
        not _whole(pose)
        or _half_missing(pose)
        or _beyond(pose, size)
        or _before(pose)
        or _torso_rank(pose) < 2
    )


def _whole(pose: Pose) -> bool:
    return torch.equal(pose.joints, pose.joints.round())


def _half_missing(pose: Pose) -> bool:
    missing = pose.joints == -1
    return bool((missing.any(dim=-1) & ~missing.all(dim=-1)).any())


def _beyond(pose: Pose, size: tuple[int, int]) -> bool:
    return bool(
        (pose.joints[pose.visible] > pose.joints.new_tensor([size[1] - 1, size[0] - 1])).any()
    )


def _before(pose: Pose) -> bool:
    return bool((pose.joints[pose.visible] < 0).any())


def _heads(*poses: Pose) -> bool:
    return all(bool(pose.visible[0, _HEAD].any()) for pose in poses)


def _common_heads(source: Pose, target: Pose) -> int:
    return int((source.visible & target.visible)[0, _HEAD].sum())


def _head_window_ends_before(pose: Pose) -> bool:
    seen = pose.visible[0, _HEAD]
    centre = pose.joints[0, _HEAD][seen].mean(dim=0).trunc()
    half = (unit_length(pose, OPENPOSE18)[0] * OPENPOSE18.square_half).trunc()
    return bool((centre + half < 0).any())


def _ends(limb: int) -> list[int]:
    return OPENPOSE18.indices(_LIMBS[limb].joints)


def _limbs_seen(pose: Pose) -> torch.Tensor:
    return torch.stack([pose.visible[0, _ends(limb)].all() for limb in range(len(_LIMBS))])


def _twins_missing(source: Pose, target: Pose, sides: int) -> bool:
    """Return whether any limb of the target lacks `sides` of its two sides in the source."""
    names = [limb.name for limb in _LIMBS]
    seen, wanted = _limbs_seen(source), _limbs_seen(target)
    return any(
        bool(wanted[place])
        and not seen[place]
        and bool(seen[names.index(limb.twin or limb.name)]) == (sides == 1)
        for place, limb in enumerate(_LIMBS)
    )


def _no_length(pose: Pose) -> bool:
    seen = _limbs_seen(pose)
    return any(bool(seen[limb]) and _rank(pose, _ends(limb)) == 0 for limb in range(len(_LIMBS)))


def _axis_aligned(pose: Pose) -> bool:
    seen = _limbs_seen(pose)
    return any(
        bool(seen[limb]) and bool((pose.joints[0, _ends(limb)].diff(dim=0) == 0).any())
        for limb in range(len(_LIMBS))
    )


def _torso_rank(pose: Pose) -> int:
    return _rank(pose, _TORSO)


def _rank(pose: Pose, joints: list[int]) -> int:
    points = pose.joints[0, joints]
    return int(torch.linalg.matrix_rank(points - points[:1], atol=1e-6))
