"""Scenes without their people: holes where people are, filled with what is round them."""

import pytest
import torch

from deformgan.datasets import open_dataset
from deformgan.datasets.backgrounds import fill_holes, fill_people, person_hole
from deformgan.datasets.bundled_people import FOLDER
from deformgan.parts import person_region
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


def test_what_is_known_stays_and_holes_take_the_colours_round_them():
    image = torch.rand(3, 3, 40, 30) * 200
    hole = torch.zeros(3, 40, 30, dtype=torch.bool)
    hole[:, 10:30, 8:22] = True
    filled = fill_holes(image, hole)
    known = ~hole[:, None].expand_as(image)
    assert filled[known].equal(image[known])
    low, high = image[known].min(), image[known].max()
    assert ((filled >= low - 1e-3) & (filled <= high + 1e-3)).all()


def test_what_lies_in_a_hole_does_not_count():
    image = torch.rand(2, 3, 33, 47)
    hole = torch.zeros(2, 33, 47, dtype=torch.bool)
    hole[:, 5:25, 11:36] = True
    other = image.clone()
    other[:, :, 5:25, 11:36] = 1000
    assert fill_holes(image, hole).equal(fill_holes(other, hole))


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (64, 64), (128, 64), (37, 100)])
def test_one_colour_round_a_hole_fills_it(size):
    image = torch.full((1, 3, *size), 0.25)
    hole = torch.zeros(1, *size, dtype=torch.bool)
    hole[:, size[0] // 4 : size[0] // 2 + 1, size[1] // 4 : size[1] // 2 + 1] = True
    image[hole[:, None].expand_as(image)] = 7
    filled = fill_holes(image, hole)
    wanted = 0.0 if hole.all() else 0.25  # nothing but hole: nothing to fill it with
    torch.testing.assert_close(filled, torch.full_like(image, wanted))


def test_a_ramp_goes_on_across_a_narrow_hole():
    ramp = torch.arange(64.0).expand(1, 1, 64, 64).clone()
    hole = torch.zeros(1, 64, 64, dtype=torch.bool)
    hole[:, :, 28:36] = True
    filled = fill_holes(ramp, hole)
    assert (filled - ramp).abs().max() < 5


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
