"""diagnose: the reason why a pose is unusable."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.affine import MIN_SPREAD, fit_affine
from deformgan.parts import unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.annotations import box_area

Reason = Literal["no_person", "no_torso", "tiny", "degenerate"]

# Description of each reason, in order of precedence: a pose gets the first that applies.
REASONS: dict[Reason, str] = {
    "no_person": "no person found",
    "no_torso": "no torso: a shoulder or hip was not seen",
    "tiny": "too small",
    "degenerate": "shoulders and hips lie on one line",
}

# Shortest usable torso in pixels. MoveNet on 110 downscaled photos of Market-1501: with a torso of
# 15 px it finds as many joints within 1/16 of the photo's height as with 38 px (92 %), with 12 px
# 86 %, with 10 px 81 % and with 8 px 70 %.
MIN_TORSO = 12.0

# Torso length in the generator's image: the median of Market-1501 at 128x64.
MODEL_TORSO = 38.0


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of one pose.

    Attributes:
        reason: Why it is unusable; None if it is usable.
        words: Description with numbers; empty if it is usable.
        coincident: Joints whose left and right were found in one place ("knee"). This alone does
            not make a pose unusable: it is normal in side views.
    """

    reason: Reason | None
    words: str
    coincident: tuple[str, ...]


def diagnose(pose: Pose, skeleton: Skeleton) -> list[Diagnosis]:
    """Diagnose whether each pose is usable, and if not, why.

    Args:
        pose: In pixels of the photos they were detected in. If nobody was detected, no joint is
            visible.
        skeleton: Skeleton of the poses.
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
    """Return whether an affine transform can be fitted to the torso.

    Its corners must be spread as `fit_affine` requires, in the photo and also after downscaling to
    the generator's image.

    Args:
        pose: In pixels of the photo. A pose that lacks a corner has no area.
        skeleton: Skeleton of the pose; its mandatory joints are the corners.
    """
    torso = skeleton.mandatory_joints
    corners = pose.joints[:, torso] * _scale(pose, skeleton)[:, None, None]
    complete = pose.usable(skeleton)
    _, found = fit_affine(corners, corners, complete[:, None].expand(-1, len(torso)))
    return found


def coincident_twins(pose: Pose, skeleton: Skeleton) -> Bool[Tensor, "batch pairs"]:
    """Return which pairs of left and right joints are both visible and in the same place.

    Args:
        pose: In pixels of the photo.
        skeleton: Skeleton of the pose; its `mirrored` pairs define the order of the result.
    """
    right, left = (skeleton.indices(side) for side in zip(*skeleton.mirrored, strict=True))
    apart = (pose.joints[:, right] - pose.joints[:, left]).norm(dim=-1)
    apart = apart * _scale(pose, skeleton)[:, None]
    return pose.visible[:, right] & pose.visible[:, left] & (apart < MIN_SPREAD["least_squares"])


def _scale(pose: Pose, skeleton: Skeleton) -> Float[Tensor, "batch"]:
    """Return the factor by which photos are downscaled for the generator; 1 if enlarged."""
    length = unit_length(pose, skeleton)
    return (MODEL_TORSO / length.clamp(min=MODEL_TORSO)).to(pose.joints.dtype)


def count_others(people: Pose, person: int) -> int:
    """Count the other people in a photo who are at least half as large as the chosen one.

    Args:
        people: Everyone in the photo.
        person: Index of the chosen person.
    """
    areas = box_area(people)
    # Half the size means a quarter of the area.
    return int((areas >= areas[person] / 4).sum()) - 1
