"""find_people, find_person: people in a photo of any size, with any pose detector."""

import numpy as np
from jaxtyping import UInt8

from deformgan.detectors.person import (
    Box,
    Detection,
    PeopleDetector,
    PoseDetector,
    around,
    overlap,
)
from deformgan.detectors.pose18 import Pose18
from deformgan.pose import Pose
from deformgan.pose_formats.annotations import box_area
from deformgan.skeletons.openpose18 import OPENPOSE18

# Least mean score of the torso joints of a person. With MoveNet, 99 % of 150 photos of Market-1501
# had at least 0.58 and of 100 of DeepFashion 0.48, an empty street 0.22; with pose18 the minimum
# over 42, 24 and the walking man's 17 was 0.65, 0.63 and 0.83, the street 0.
PERSON_SCORE = 0.4

# The same for a part of the photo: with many parts, some resemble a person by chance (0.55 in a
# photo of grass, with either detector).
PERSON_SCORE_IN_PART = 0.6

# Repeated looks at the found person. With photos of 64x128 pasted into one of 1280x720, MoveNet
# found 74 % of the joints with a second look and 79 % with a third.
LOOKS_AGAIN = 2

# Two poses belong to one person if the mean distance of their common joints is at most this share
# of the larger torso.
SAME_PERSON = 0.4


def find_people(
    detector: PoseDetector | PeopleDetector, photo: UInt8[np.ndarray, "height width 3"]
) -> list[Detection]:
    """Detect everyone in a photo of any size.

    Detectors that find several people are run once. For others, the bundled detector proposes
    boxes; each box, and the whole photo, is examined, followed by repeated looks at the person
    found there.

    Args:
        detector: Any pose detector.
        photo: RGB.

    Returns:
        One detection per person, largest first; empty if nobody was found.
    """
    if isinstance(detector, PeopleDetector):
        found = [person for person in detector.find_people(photo) if _is_somebody(person)]
    else:
        finder = detector if isinstance(detector, Pose18) else Pose18()
        found = []
        for box in [None, *finder.find_boxes(photo)]:
            if box is not None and any(_explains(person, box) for person in found):
                continue
            person = _look(detector, photo, box)
            if _is_somebody(person, PERSON_SCORE if box is None else PERSON_SCORE_IN_PART):
                found.append(person)
    surest_first = sorted(found, key=lambda person: -person.torso_score)
    people: list[Detection] = []
    for person in surest_first:
        if not any(same_person(person.pose, other.pose) for other in people):
            people.append(person)
    return sorted(people, key=lambda person: -box_area(person.pose).item())


def find_person(
    detector: PoseDetector | PeopleDetector,
    photo: UInt8[np.ndarray, "height width 3"],
    person: int = 0,
) -> Detection | None:
    """Detect one person in a photo of any size.

    Args:
        detector: Any pose detector.
        photo: RGB.
        person: Rank by size: 0 is the largest.

    Returns:
        The person, or None if there are fewer people.
    """
    people = find_people(detector, photo)
    return people[person] if person < len(people) else None


def same_person(one: Pose, other: Pose) -> bool:
    """Return whether two poses in a photo belong to the same person."""
    common = one.visible & other.visible
    if not common.any():
        return False
    apart = (one.joints - other.joints)[common].norm(dim=1).mean().item()
    return apart <= SAME_PERSON * max(_torso(one), _torso(other))


def _is_somebody(person: Detection, needed: float = PERSON_SCORE) -> bool:
    return person.torso_score >= needed and bool(person.pose.visible.any())


def _look(
    detector: PoseDetector, photo: UInt8[np.ndarray, "height width 3"], box: Box | None
) -> Detection:
    look = best = detector(photo, box)
    for _ in range(LOOKS_AGAIN):
        if not look.pose.visible.any():
            break
        look = detector(photo, around(look.pose))
        best = max(best, look, key=lambda each: each.torso_score)
    return best


def _explains(person: Detection, box: Box) -> bool:
    # Proposed boxes have the size of a person: does this person fit the box?
    left, top, right, bottom = around(person.pose)
    # Extend to the aspect ratio of proposed boxes.
    height = max(bottom - top, (right - left) * 4 / 3)
    width, x, y = height * 3 / 4, (left + right) / 2, (top + bottom) / 2
    mine = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return overlap(mine, box) > 0.5


def _torso(pose: Pose) -> float:
    # From shoulders to hips, or across the shoulders if the hips are not visible.
    shoulders, hips = (
        pose.joints[0, OPENPOSE18.indices([f"right_{joint}", f"left_{joint}"])]
        for joint in ("shoulder", "hip")
    )
    down = (shoulders.mean(dim=0) - hips.mean(dim=0)).norm()
    across = (shoulders[0] - shoulders[1]).norm()
    return max(down.item(), across.item())
