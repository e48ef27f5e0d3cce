"""diagnose: why a pose cannot be used, in words."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.affine import MIN_SPREAD, fit_affine
from deformgan.parts import unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import box_area

Reason = Literal["no_person", "no_torso", "tiny", "degenerate"]

# What each reason means, in the order in which they are looked for: a pose has the first that fits.
REASONS: dict[Reason, str] = {
    "no_person": "no person found",
    "no_torso": "no torso: a shoulder or hip was not seen",
    "tiny": "too small",
    "degenerate": "shoulders and hips lie on one line",
}

# Torso length in pixels under which a person is too small. MoveNet on 110 photos of Market-1501,
# shrunk: with a torso of 15 px it finds as many joints within 1/16 of the photo's height as with
# 38 px (92 %), with 12 px 86 %, with 10 px 81 % and with 8 px 70 %.
MIN_TORSO = 12.0

# Torso length in the generator's image: median of Market-1501 at 128x64.
MODEL_TORSO = 38.0


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with one pose.

    Attributes:
        reason: Why it is unusable; None if it is usable.
        words: The same in words and numbers; empty if it is usable.
        coincident: Joints whose left and right were seen in one place ("knee"). This alone does not
            make a pose unusable: somebody seen from the side has them.
    """

    reason: Reason | None
    words: str
    coincident: tuple[str, ...]


def diagnose(pose: Pose, skeleton: Skeleton) -> list[Diagnosis]:
    """Says of every pose whether it can be used, and if not, why.

    Args:
        pose: In pixels of the photos they were found in. Where nobody was found, no joint is
            visible.
        skeleton: Of the poses.
    """
    length = unit_length(pose, skeleton)
    flat = ~torso_has_area(pose, skeleton)
    together = coincident_twins(pose, skeleton)
    twins = [right.removeprefix("right_") for right, _ in skeleton.mirrored]
    diagnoses = []
    for row in range(len(pose)):
        seen = pose.visible[row]
        missing = [skeleton.joints[j] for j in skeleton.mandatory_joints if not seen[j]]
        reason: Reason | None = None
        words = ""
        if not seen.any():
            reason, words = "no_person", REASONS["no_person"]
        elif missing:
            names = ", ".join(name.replace("_", " ") for name in missing)
            reason, words = "no_torso", f"no torso: {names} not seen"
        elif length[row] < MIN_TORSO:
            reason = "tiny"
            words = f"too small: the torso is {length[row]:.1f} px long, under {MIN_TORSO:g} px"
        elif flat[row]:
            reason, words = "degenerate", REASONS["degenerate"]
        coincident = tuple(name for name, are in zip(twins, together[row], strict=True) if are)
        diagnoses.append(Diagnosis(reason, words, coincident))
    return diagnoses


def torso_has_area(pose: Pose, skeleton: Skeleton) -> Bool[Tensor, "batch"]:
    """Tells whether an affine transform can be fitted to the torso.

    Its corners must spread as far from one line as `fit_affine` asks: in the photo, and in the
    generator's image too, where a large photo is scaled down to.

    Args:
        pose: In pixels of the photo. A pose that lacks a corner has no area.
        skeleton: Its mandatory joints are the corners.
    """
    torso = skeleton.mandatory_joints
    corners = pose.joints[:, torso] * _scale(pose, skeleton)[:, None, None]
    complete = pose.usable(skeleton)
    _, found = fit_affine(corners, corners, complete[:, None].expand(-1, len(torso)))
    return found


def coincident_twins(pose: Pose, skeleton: Skeleton) -> Bool[Tensor, "batch pairs"]:
    """Tells which left and right joints were both seen, and in the same place.

    Args:
        pose: In pixels of the photo.
        skeleton: Its pairs of `mirrored` joints, in that order.
    """
    right, left = (skeleton.indices(side) for side in zip(*skeleton.mirrored, strict=True))
    apart = (pose.joints[:, right] - pose.joints[:, left]).norm(dim=-1)
    apart = apart * _scale(pose, skeleton)[:, None]
    return pose.visible[:, right] & pose.visible[:, left] & (apart < MIN_SPREAD["least_squares"])


def _scale(pose: Pose, skeleton: Skeleton) -> Float[Tensor, "batch"]:
    """Gives the factor by which photos are shrunk for the generator; 1 where they are enlarged."""
    length = unit_length(pose, skeleton)
    return (MODEL_TORSO / length.clamp(min=MODEL_TORSO)).to(pose.joints.dtype)


def count_rivals(people: Pose, person: int) -> int:
    """Counts the others in a photo who are at least half as large as the one who was taken.

    Args:
        people: Everybody in the photo.
        person: Which of them was taken.
    """
    areas = box_area(people)
    # Half as large in length is a quarter of the area.
    return int((areas >= areas[person] / 4).sum()) - 1
