"""Crop for the detector: joints stay where the image puts them, whatever is done to both."""

import pytest
import torch

from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from tools import pose18_crops
from tools.pose18_crops import SIZE, CropBatches, People

HEIGHT, WIDTH = 160, 128
LEFT = [joint.startswith("left") for joint in OPENPOSE18.joints]


@pytest.fixture
def people():
    """Images whose colour tells the place: red is the column, green the row."""
    torch.manual_seed(0)
    count = 24
    column, row = torch.meshgrid(torch.arange(WIDTH), torch.arange(HEIGHT), indexing="xy")
    image = torch.stack([column, row, torch.zeros_like(row)]).to(torch.uint8)
    images = image.expand(count, -1, -1, -1).clone()
    joints = torch.rand(count, 18, 2) * torch.tensor([60.0, 100.0]) + torch.tensor([30.0, 30.0])
    return People(images, Pose(joints, torch.rand(count, 18) < 0.8))


@pytest.fixture
def empties():
    return torch.full((3, 3, 160, 128), 255, dtype=torch.uint8)


def test_every_visible_joint_lies_on_the_pixel_of_the_image_that_it_lay_on(people, empties):
    random = torch.Generator().manual_seed(3)
    chosen = torch.arange(24)
    crops = pose18_crops._crops(people, chosen, empties, random)
    coordinates = (crops.images[:, :2] + 1) * 127.5
    checked = 0
    for item in range(24):
        for joint in range(18):
            if not crops.pose.visible[item, joint] or not crops.known[item, joint]:
                continue
            x, y = crops.pose.joints[item, joint].round().long().tolist()
            if not (1 <= x < SIZE[1] - 1 and 1 <= y < SIZE[0] - 1):
                continue
            if crops.images[item, 2, y, x] > -0.99:  # the edge of a rectangle: no blue is ours
                continue
            seen = coordinates[item, :, y, x]
            # A mirrored image shows the twin's place, and the pose names the twin.
            twin = OPENPOSE18.mirror_permutation[joint]
            places = people.pose.joints[item, [joint, twin]]
            # Within the pixel that rounding skips, at the largest shrinking.
            assert (places - seen).norm(dim=1).min() < 4
            checked += 1
    assert checked > 100


def test_a_crop_depends_on_seed_and_step_alone(people, empties):
    batches = [CropBatches([people], [6], empties, 2, seed=5) for _ in range(2)]
    _ = batches[0][0]
    one, other = batches[0][7], batches[1][7]
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.pose.joints, other.pose.joints)
    assert not torch.equal(one.images, batches[0][8].images)


def test_crops_of_nobody_have_no_joints_and_are_sure_of_it(people, empties):
    crops = CropBatches([people], [4], empties, 3, seed=0)[0]
    assert crops.images.shape == (7, 3, *SIZE)
    assert not crops.pose.visible[4:].any()
    assert not crops.other.visible[4:].any()
    assert crops.known[4:].all()
    assert crops.pose.visible[:4].any()


def test_images_stay_in_range(people, empties):
    images = CropBatches([people], [8], empties, 2, seed=1)[0].images
    assert images.isfinite().all()
    assert images.abs().max() <= 1


def test_what_a_rectangle_hides_is_neither_there_nor_missing():
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    joints = torch.rand(200, 18, 2) * torch.tensor([SIZE[1], SIZE[0]])
    pose = Pose(joints, torch.ones(200, 18, dtype=torch.bool))
    grey = torch.zeros(200, 3, *SIZE)
    covered, known = pose18_crops._cover(grey, pose, random)
    touched = (covered != 0).any(dim=1)
    share = touched.any(dim=(1, 2)).float().mean()
    assert 0.15 < share < 0.35
    x, y = (joints[..., axis].round().long().clamp(max=SIZE[1 - axis] - 1) for axis in (0, 1))
    under = touched[torch.arange(200)[:, None], y, x]
    # Rounding moves a joint over the rectangle's edge now and then.
    assert (under == ~known).float().mean() > 0.98
