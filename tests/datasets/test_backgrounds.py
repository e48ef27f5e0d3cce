"""Scenes without their people: holes where people are, filled with what is round them."""

import torch

from deformgan.datasets import open_dataset
from deformgan.datasets.backgrounds import fill_people, person_hole
from deformgan.datasets.bundled_people import FOLDER
from deformgan.parts import person_region
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


def test_a_hole_holds_the_person_and_a_margin(people):
    pose = people(6)
    hole = person_hole(pose, OPENPOSE18, SIZE)
    region = person_region(pose, OPENPOSE18, SIZE)
    assert not (region & ~hole).any()
    assert (hole.sum(dim=(1, 2)) > 1.2 * region.sum(dim=(1, 2))).all()


def test_legs_that_were_not_found_are_cut_out_too(people):
    pose = people(4)
    legs = OPENPOSE18.indices(["right_knee", "left_knee", "right_ankle", "left_ankle"])
    visible = pose.visible.clone()
    visible[:, legs] = False
    hole = person_hole(Pose(pose.joints, visible), OPENPOSE18, SIZE)
    joints = pose.joints[:, legs].round().long()
    x, y = joints[..., 0].clamp(0, 63), joints[..., 1].clamp(0, 127)
    assert hole[torch.arange(4)[:, None], y, x].float().mean() > 0.9


def test_a_photo_without_a_usable_pose_stays(people):
    pose = people(2)
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    nobody = Pose(pose.joints, torch.zeros_like(pose.visible))
    assert fill_people(images, nobody, OPENPOSE18).equal(images)


def test_a_photo_that_is_all_person_shows_nothing_of_them(people):
    small = people(2)
    pose = Pose(
        (small.joints - torch.tensor([32.0, 64.0])) * 4 + torch.tensor([32.0, 64.0]), small.visible
    )
    assert person_hole(pose, OPENPOSE18, SIZE).all()
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    assert (fill_people(images, pose, OPENPOSE18) == 128).all()


def test_of_the_bundled_people_nothing_is_left_in_their_scenes():
    everybody = open_dataset(FOLDER)
    people = everybody.of_people(sorted(set(everybody.identities))[:12])
    scenes = people.backgrounds
    assert scenes is not None
    hole = person_hole(people.poses, OPENPOSE18, people.size)
    # What is filled is as far from the person's colour as its surroundings are: had some of the
    # person stayed at the edge, it would be nearer.
    inside = person_region(people.poses, OPENPOSE18, people.size) & hole
    person, filled = (
        torch.stack(
            [image[:, mask].float().mean(dim=1) for image, mask in zip(of, inside, strict=True)]
        )
        for of in (people.images, scenes)
    )
    around = torch.stack(
        [
            image[:, ~mask].float().mean(dim=1)
            if (~mask).sum() > 50
            else torch.full((3,), torch.nan)
            for image, mask in zip(people.images, hole, strict=True)
        ]
    )
    rows = around.isfinite().all(dim=1)
    to_person = (filled - person)[rows].abs().mean(dim=1)
    expected = (around - person)[rows].abs().mean(dim=1)
    assert to_person.mean() > 0.85 * expected.mean()
