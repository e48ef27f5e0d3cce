"""The error of every part, against the definition in slow loops."""

import math

import pytest
import torch

from deformgan.metrics.l1 import l1
from deformgan.metrics.part_error import part_errors, present_mean
from deformgan.parts import part_masks, part_regions, person_region
from deformgan.pose import Part, Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (48, 24)


def pictures(batch, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, *SIZE), dtype=torch.uint8, generator=random)


def test_matches_the_definition(people):
    pose = people(3, size=SIZE, hidden=0.2)
    generated, target = pictures(3, 1), pictures(3, 2)
    errors = part_errors(generated, target, pose, OPENPOSE18)
    regions = part_regions(pose, OPENPOSE18, SIZE)
    absent = 0
    for place, part in enumerate(OPENPOSE18.parts):
        for image in range(3):
            inside = []
            for row in range(SIZE[0]):
                for column in range(SIZE[1]):
                    if regions[image, place, row, column]:
                        for channel in range(3):
                            here = generated[image, channel, row, column].item() / 127.5 - 1
                            there = target[image, channel, row, column].item() / 127.5 - 1
                            inside.append(abs(here - there))
            found = errors[f"part_error_{part.name}"][image].item()
            if inside:
                assert found == pytest.approx(sum(inside) / len(inside), abs=1e-12)
            else:
                assert math.isnan(found)
                absent += 1
    assert absent > 0


def test_a_change_of_one_part_is_an_error_of_that_part_alone(people):
    pose = people(2)
    target = torch.full((2, 3, 128, 64), 100, dtype=torch.uint8)
    regions = part_regions(pose, OPENPOSE18, (128, 64))
    place = OPENPOSE18.part_index("left_shin")
    others = regions.clone()
    others[:, place] = False
    changed = regions[:, place] & ~others.any(dim=1)
    generated = torch.where(changed[:, None], 151, target).to(torch.uint8)
    errors = part_errors(generated, target, pose, OPENPOSE18)
    shin = errors.pop("part_error_left_shin")
    share = changed.sum(dim=(1, 2)) / regions[:, place].sum(dim=(1, 2))
    torch.testing.assert_close(shin, share.double() * 51 * 2 / 255)
    assert all((error == 0).all() for error in errors.values())


def test_a_part_over_the_whole_image_is_its_l1():
    # A part of joints in the corners: its body, polygon and bars, covers every pixel.
    joints = ("a", "b", "c", "d")
    whole = Skeleton(
        name="frame",
        joints=joints,
        mirrored=(),
        limbs=(),
        parts=(Part("all", "image", joints, needs=4),),
        unit=(("a", "d"),),
        core=joints,
    )
    corners = torch.tensor([[[-0.7, -0.7], [23.7, -0.7], [23.7, 47.7], [-0.7, 47.7]]])
    pose = Pose(corners, torch.ones(1, 4, dtype=torch.bool))
    generated, target = pictures(1, 3), pictures(1, 4)
    errors = part_errors(generated, target, pose, whole)
    torch.testing.assert_close(errors["part_error_all"], l1(generated, target))


def test_a_part_beyond_the_frame_or_not_seen_has_no_number(people):
    pose = people(2, size=SIZE)
    joints, visible = pose.joints.clone(), pose.visible.clone()
    knee, ankle = OPENPOSE18.indices(["left_knee", "left_ankle"])
    joints[0, [knee, ankle]] += 500
    visible[1, ankle] = False
    errors = part_errors(pictures(2, 5), pictures(2, 6), Pose(joints, visible), OPENPOSE18)
    assert errors["part_error_left_shin"].isnan().all()
    assert not errors["part_error_right_shin"].isnan().any()


def test_the_regions_are_the_masks_but_for_the_torso(people):
    pose = people(4)
    masks, regions = (draw(pose, OPENPOSE18, size=(128, 64)) for draw in (part_masks, part_regions))
    assert torch.equal(masks[:, 1:], regions[:, 1:])
    assert masks[:, 0].all()
    assert 0 < regions[:, 0].double().mean() < 0.3
    assert torch.equal(regions.any(dim=1), person_region(pose, OPENPOSE18, (128, 64)))


def test_absent_parts_do_not_count_in_the_mean():
    values = torch.tensor([1.0, math.nan, 4.0, math.nan])
    assert present_mean(values) == (2.5, 2)
    nothing, count = present_mean(torch.full((3,), math.nan))
    assert math.isnan(nothing)
    assert count == 0
