"""DeepFashion's names, and the way from 256x256 to 128x64."""

import json

import pytest
import torch

from deformgan.datasets.deepfashion import flat_name, identity_of, images_128x64, poses_128x64
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotation_csv


def test_flat_names_are_the_authors(golden):
    names = json.loads((golden / "tables" / "deepfashion_names.json").read_text())
    assert names
    for path, name in names.items():
        assert flat_name(path) == name


def test_the_folders_before_the_gender_do_not_matter():
    flat = "fasionMENJacketsVestsid0000404301_4full.jpg"
    for before in ("", "img/", "data/In-shop_Clothes/"):
        assert flat_name(f"{before}MEN/Jackets_Vests/id_00004043/01_4_full.jpg") == flat


@pytest.mark.parametrize("path", ["", "a.jpg", "MEN/Denim/id_1/noview.jpg", "id_1/01_4_full.jpg"])
def test_another_path_is_refused(path):
    with pytest.raises(InputError, match="is not a DeepFashion path"):
        flat_name(path)


@pytest.mark.parametrize("category", ["JacketsVests", "Jackets_Vests"])
def test_the_identity_is_item_and_color(category):
    name = f"fashionMEN{category}sid0000404301_4full.jpg"
    assert identity_of(name) == f"fashionMEN{category}sid0000404301"
    with pytest.raises(InputError, match="is not a DeepFashion name"):
        identity_of("a.jpg")


def test_the_names_of_published_pairs_agree_with_the_identities(shared):
    rows = (shared / "deepfashion-pairs" / "pairs.csv").read_text().split()[1:]
    assert len(rows) == 100
    for source, target in (row.split(",") for row in rows):
        assert identity_of(source) == identity_of(target)


def test_truncated_poses_are_the_authors(golden):
    large = read_annotation_csv(golden / "tables" / "annotation_256.csv")
    small = read_annotation_csv(golden / "tables" / "annotation_128x64_from_256.csv")
    pose = poses_128x64(large.pose, truncate=True)
    assert large.names == small.names
    assert torch.equal(pose.visible, small.pose.visible)
    assert torch.equal(pose.joints[pose.visible], small.pose.joints[pose.visible])


def test_a_joint_that_truncates_to_minus_one_is_lost_only_by_the_authors_rule():
    # x: (37 - 40) * 64 / 176 = -1.09; 39 gives -0.36 and so 0.
    joints = torch.tensor([[[37.0, 50.0], [39.0, 50.0], [30.0, 50.0]]])
    pose = Pose(joints, torch.ones(1, 3, dtype=torch.bool))
    truncated = poses_128x64(pose, truncate=True)
    assert truncated.visible.tolist() == [[False, True, True]]
    assert truncated.joints[0, 1:].tolist() == [[0, 25], [-3, 25]]
    assert poses_128x64(pose).visible.all()


def test_a_joint_stays_on_the_spot_that_it_marks():
    # One bright spot per image, around a joint; its centre of mass after the resize is the joint.
    x, y = torch.tensor([60, 128, 200]), torch.tensor([30, 127, 240])
    grid_y, grid_x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    distance = (grid_x - x[:, None, None]) ** 2 + (grid_y - y[:, None, None]) ** 2
    spots = (255 * torch.exp(-distance / 72)).to(torch.uint8)
    small = images_128x64(spots[:, None].expand(-1, 3, -1, -1).contiguous())[:, 0].double()
    assert small.shape == (3, 128, 64)
    total = small.sum(dim=(1, 2))
    found_x = (small.sum(dim=1) * torch.arange(64)).sum(dim=1) / total
    found_y = (small.sum(dim=2) * torch.arange(128)).sum(dim=1) / total
    joints = torch.stack([x, y], dim=-1).float()[:, None]
    pose = poses_128x64(Pose(joints, torch.ones(3, 1, dtype=torch.bool)))
    found = torch.stack([found_x, found_y], dim=-1).float()
    torch.testing.assert_close(pose.joints[:, 0], found, rtol=0, atol=0.05)
