"""Batches of people: who is in them, and what spoiling must leave alone."""

import pytest
import torch

from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from tools import person_embedding_crops
from tools.person_embedding_crops import (
    PersonBatches,
    PhotosOfPeople,
    _blur,
    _hide,
    _light,
    _move,
    person_region,
)


@pytest.fixture
def photos(people):
    """Seven people; each has a grey of his own, and from one to seven photos."""
    who = torch.arange(7).repeat_interleave(torch.arange(1, 8))[torch.randperm(28)]
    images = (who * 30 + 20)[:, None, None, None].expand(-1, 3, 128, 64).to(torch.uint8)
    return PhotosOfPeople(images.contiguous(), people(batch=28), who)


def test_everybody_has_as_many_photos_in_a_batch(photos):
    images, who = PersonBatches(photos, 5, 3, seed=1)[4]
    assert images.shape == (15, 3, 128, 64)
    assert who.dtype == torch.int64
    assert sorted(who.bincount().tolist(), reverse=True)[:5] == [3] * 5


def test_a_batch_follows_from_seed_and_step(photos):
    images, who = PersonBatches(photos, 4, 2, seed=1)[9]
    again = PersonBatches(photos, 4, 2, seed=1)[9]
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], who)
    for batches, step in ((PersonBatches(photos, 4, 2, seed=2), 9), (None, 10)):
        other, _ = (batches or PersonBatches(photos, 4, 2, seed=1))[step]
        assert not torch.equal(other, images)


def test_the_first_steps_show_small_images(photos):
    batches = PersonBatches(photos, 4, 2, seed=1, small_for=3)
    assert batches[2][0].shape[2:] == (64, 32)
    assert batches[3][0].shape[2:] == (128, 64)


def test_the_image_is_of_the_person_whom_the_batch_names(photos, monkeypatch):
    for name in ("_move", "_light", "_blur", "_hide"):
        monkeypatch.setattr(person_embedding_crops, name, lambda images, _: images)
    images, who = PersonBatches(photos, 6, 4, seed=0)[0]
    grey = (images + 1) * 127.5
    middle = grey[:, 0, 40:56, 30:34].mean(dim=(1, 2))  # within every torso
    torch.testing.assert_close(middle, who * 30.0 + 20)
    corner = grey[:, 0, :4, :4].mean(dim=(1, 2))
    elsewhere = (corner - middle).abs() > 1
    # A few come before a place of the same grey.
    assert 1 <= elsewhere.sum() <= int(24 * person_embedding_crops.ELSEWHERE)


def test_the_region_of_a_person_is_near_the_bones_and_nowhere_else(people):
    pose = people(batch=3, hidden=0.2)
    region = person_region(pose, (128, 64))
    reach = person_embedding_crops.REACH * 128
    bones = [OPENPOSE18.indices(bone) for bone in OPENPOSE18.limbs]
    for item in range(3):
        shown = [
            pose.joints[item, list(bone)] for bone in bones if pose.visible[item, list(bone)].all()
        ]
        along = torch.linspace(0, 1, 50)[:, None]
        points = torch.cat([one + along * (other - one) for one, other in shown])
        for row in range(0, 128, 9):
            for column in range(0, 64, 7):
                away = (points - torch.tensor([column, row])).norm(dim=1).min()
                if away < reach - 1.5:
                    assert region[item, row, column]
                if away > reach + 1.5:
                    assert not region[item, row, column]


def test_without_any_bone_all_is_the_person(people):
    pose = people(batch=1)
    nobody = Pose(pose.joints, torch.zeros_like(pose.visible))
    assert person_region(nobody, (128, 64)).all()


def test_moving_keeps_people_upright_and_mostly_inside():
    random = torch.Generator().manual_seed(0)
    mark = torch.full((64, 3, 128, 64), -1.0)
    mark[:, :, 8:24, 24:40] = 1.0  # a head
    weight = (_move(mark, random)[:, 0] + 1) / 2
    assert weight.sum(dim=(1, 2)).min() > 0.5 * 16 * 16
    row = (weight.sum(dim=2) * torch.arange(128.0)).sum(dim=1) / weight.sum(dim=(1, 2))
    assert row.max() < 40


def test_half_of_the_people_are_mirrored():
    random = torch.Generator().manual_seed(0)
    left = torch.full((400, 3, 16, 8), -1.0)
    left[..., :2] = 1.0
    moved = _move(left, random)[:, 0]
    mirrored = moved[..., -1].mean(dim=1) > moved[..., 0].mean(dim=1)
    assert 0.4 < mirrored.float().mean() < 0.6


@pytest.mark.parametrize("spoil", [_light, _blur, _hide, _move])
def test_spoiling_stays_in_range_and_changes_something(spoil):
    images = torch.rand(20, 3, 32, 16) * 2 - 1
    before = images.clone()
    spoilt = spoil(images, torch.Generator().manual_seed(0))
    assert spoilt.shape == images.shape
    assert spoilt.abs().max() <= 1 + 1e-5
    assert not torch.equal(spoilt, before)
    assert torch.equal(images, before)
