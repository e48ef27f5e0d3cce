"""find_people with detectors that say what they were asked."""

import numpy as np
import pytest
import torch

from deformgan.detectors.people import PERSON_SCORE, find_people, find_person, same_person
from deformgan.detectors.person import Detection, around, overlap
from deformgan.pose import Pose

PHOTO = np.full((128, 64, 3), 90, np.uint8)


@pytest.fixture
def standing_pose(people):
    return people(batch=1)


def standing_at(standing: Pose, x: float, y: float, scale: float = 1.0) -> Pose:
    return Pose(standing.joints * scale + torch.tensor([x, y]), standing.visible)


class Everybody:
    """Find people by itself."""

    def __init__(self, found):
        self.found = found

    def find_people(self, photo):
        """Stub detector: returns the poses and scores it was created with."""
        return self.found


class Looker:
    """Stub detector: finds a person in every box, with a higher score at each call."""

    def __init__(self, pose, scores):
        self.pose, self.scores, self.boxes = pose, list(scores), []

    def __call__(self, image, box=None):
        """Notes where it looked."""
        self.boxes.append(box)
        return Detection(self.pose, torch.full((18,), self.scores[len(self.boxes) - 1]))


def test_one_person_is_told_once_and_the_largest_comes_first(standing_pose):
    small = standing_at(standing_pose, 300, 0)
    large = standing_at(standing_pose, 0, 0, 2.0)
    again = standing_at(standing_pose, 3, 2, 2.0)
    found = [
        Detection(small, torch.full((18,), 0.9)),
        Detection(again, torch.full((18,), 0.6)),
        Detection(large, torch.full((18,), 0.8)),
        Detection(standing_at(standing_pose, 600, 0), torch.full((18,), PERSON_SCORE - 0.1)),
    ]
    people = find_people(Everybody(found), PHOTO)
    assert [person.pose for person in people] == [large, small]
    assert find_person(Everybody(found), PHOTO, 1) is people[1]
    assert find_person(Everybody(found), PHOTO, 2) is None


def test_the_surest_of_three_looks_counts_and_each_is_around_the_last(standing_pose):
    looker = Looker(standing_pose, [0.5, 0.9, 0.7])
    (person,) = find_people(looker, PHOTO)
    assert looker.boxes[0] is None
    assert looker.boxes[1] == looker.boxes[2] == around(standing_pose)
    assert person.torso_score == torch.full((1,), 0.9).item()


def test_nobody_sure_enough_is_nobody(standing_pose):
    assert find_people(Looker(standing_pose, [0.1] * 100), PHOTO) == []


def test_a_look_without_joints_is_the_last_one(standing_pose):
    nothing = Pose(standing_pose.joints, torch.zeros_like(standing_pose.visible))
    looker = Looker(nothing, [0.0] * 100)
    assert find_people(looker, PHOTO) == []
    assert len(set(map(str, looker.boxes))) == len(looker.boxes)


def test_people_side_by_side_are_two_and_a_step_apart_in_a_blur_one(standing_pose):
    shoulders = 16.0  # of `standing_pose`, whose torso is 36 high
    beside = standing_at(standing_pose, 2 * shoulders, 0)
    assert not same_person(standing_pose, beside)
    assert same_person(standing_pose, standing_at(standing_pose, 4, 4))
    hidden = Pose(beside.joints, torch.zeros_like(beside.visible))
    assert not same_person(standing_pose, hidden)


def test_overlap_is_the_share_of_the_union():
    square = (0.0, 0.0, 2.0, 2.0)
    assert overlap(square, (1.0, 0.0, 3.0, 2.0)) == 2 / 6
    assert overlap(square, square) == 1
    assert overlap(square, (5.0, 5.0, 6.0, 6.0)) == 0
