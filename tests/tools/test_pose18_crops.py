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


def test_an_edge_cuts_people_off_and_no_joint_beyond_it_is_visible(people):
    people = People(people.images, Pose(people.pose.joints, torch.ones(24, 18) > 0), cut=1.0)
    empties = torch.full((3, 3, 160, 128), 255, dtype=torch.uint8)
    edges = pose18_crops._edges(people.pose, 1.0, torch.Generator().manual_seed(1))
    cut = ~edges.isinf().all(dim=1)
    assert cut.sum() > 12
    kept = pose18_crops._within(people.pose.joints, edges)
    assert (kept.sum(dim=1) >= pose18_crops.FEWEST_JOINTS).all()
    assert (kept.sum(dim=1)[cut] < 18).any()
    # Without a cut the same crops have more joints.
    counts = []
    for share in (0.0, 1.0):
        crops = [
            pose18_crops._crops(
                People(people.images, people.pose, cut=share),
                torch.arange(24),
                empties,
                torch.Generator().manual_seed(seed),
            )
            for seed in range(4)
        ]
        counts.append(sum(part.pose.visible.sum().item() for part in crops))
    assert counts[1] < 0.9 * counts[0]


def test_beyond_an_edge_its_pixels_are_repeated():
    crops = torch.rand(2, 3, *SIZE)
    scale = torch.tensor([[2.0, 0, 10], [0, 2.0, 4]]).repeat(
        2, 1, 1
    )  # crop pixel (x, y) is (2x + 10, 2y + 4)
    edges = torch.tensor(
        [[-torch.inf, -torch.inf, torch.inf, torch.inf], [30.0, -torch.inf, torch.inf, 104]]
    )
    cut, placed = pose18_crops._cut_off(crops, edges, scale)
    assert torch.equal(cut[0], crops[0])
    assert placed[1, 0] == 10
    assert placed[1, 3] == 50
    assert torch.equal(cut[1, :, :51, 10:], crops[1, :, :51, 10:])
    assert (cut[1, :, 51:] == cut[1, :, 50:51]).all()
    assert (cut[1, :, :, :10] == cut[1, :, :, 10:11]).all()


def test_a_joint_that_the_annotator_may_have_missed_is_not_known_to_be_hidden(people, empties):
    nose = torch.arange(18) == 0
    pose = Pose(people.pose.joints, (~nose).expand(24, -1))
    for complete in (True, False):
        random = torch.Generator().manual_seed(0)
        shown = People(people.images, pose, complete=complete, cut=0.5)
        crops = pose18_crops._crops(shown, torch.arange(24), empties, random)
        assert crops.known[:, 0].any() == complete
        # Joints beyond an edge are hidden, and that is known.
        assert (crops.known & ~crops.pose.visible)[:, 1:].any()


def test_an_image_that_shrinks_to_a_quarter_is_averaged():
    stripes = (torch.arange(512) % 2).float().expand(1, 3, 512, -1).mul(2).sub(1)
    map_ = torch.tensor([[[4.0, 0, 1], [0, 4.0, 1]]])
    crops = pose18_crops._sample(stripes, map_, "border")
    assert crops.abs().max() < 1e-6
