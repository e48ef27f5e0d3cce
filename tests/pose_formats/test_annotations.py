"""Poses by name."""

import pytest
import torch

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.annotations import Annotations, box_area, largest


def square(side, num_joints=4):
    """Joints at the corners of a square."""
    corners = torch.tensor([[0.0, 0.0], [1, 0], [0, 1], [1, 1]])[:num_joints]
    return corners * side + 5


def people(*sides):
    joints = torch.stack([square(side) for side in sides])
    return Pose(joints, torch.ones(joints.shape[:2], dtype=torch.bool))


def test_a_name_gives_its_own_pose():
    annotations = Annotations(["a", "b", "c"], people(1.0, 2.0, 3.0))
    assert torch.equal(annotations["b"].joints, people(2.0).joints)
    assert "b" in annotations
    assert "d" not in annotations
    assert len(annotations) == 3


def test_of_several_people_the_largest_is_given_and_the_first_of_equals():
    annotations = Annotations(["a", "a", "b", "a"], people(2.0, 7.0, 9.0, 7.0))
    assert len(annotations.people("a")) == 3
    assert torch.equal(annotations["a"].joints, people(7.0).joints)
    assert torch.equal(largest(people(0.0, 0.0)).joints, people(0.0).joints)


def test_only_visible_joints_span_the_box():
    pose = people(2.0, 9.0, 5.0)
    pose.visible[1, 1:] = False
    pose.visible[2] = False
    assert box_area(pose).tolist() == [4, 0, 0]
    assert torch.equal(largest(pose).joints, pose.joints[:1])


def test_an_unknown_name_is_refused_with_examples():
    annotations = Annotations(["a", "b", "c", "d"], people(1.0, 2.0, 3.0, 4.0), source="x.csv")
    with pytest.raises(InputError, match=r"x.csv has no pose named 'e'; it has 4: a, b, c, \.\.\."):
        annotations["e"]


def test_select_keeps_the_order_asked_for():
    annotations = Annotations(["a", "b", "c"], people(1.0, 2.0, 3.0), size=(128, 64))
    some = annotations.select(["c", "a"])
    assert some.names == ["c", "a"]
    assert torch.equal(some.pose.joints, people(3.0, 1.0).joints)
    assert some.size == (128, 64)
