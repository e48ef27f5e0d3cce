"""The geometry of exported graphs is that of the definitions, for every skeleton."""

import pytest
import torch

from deformgan.affine import part_transforms
from deformgan.datasets.bundled_people import bundled_people
from deformgan.part_field import SOFTNESS, part_distances, part_field
from deformgan.part_geometry import PoseGeometry
from deformgan.parts import part_masks
from deformgan.pose import Pose
from deformgan.skeletons import find_skeleton

SIZE = (64, 32)
STRIDES = [1, 2, 4, 8]


@pytest.fixture(params=["openpose18", "coco17", "face68", "hand21", "quadruped20"])
def skeleton(request):
    return find_skeleton(request.param)


@pytest.fixture
def poses(skeleton):
    """Source and target poses anywhere in the image, whole pixels and missing joints among them."""
    pair = []
    for seed in range(2):
        random = torch.Generator().manual_seed(seed)
        joints = torch.rand(40, len(skeleton.joints), 2, generator=random)
        joints = joints * torch.tensor([SIZE[1], SIZE[0]])
        joints[:10] = joints[:10].round()
        pair.append(Pose(joints, torch.rand(joints.shape[:2], generator=random) < 0.85))
    if skeleton.name == "openpose18":
        bundled = Pose.cat([view.pose for views in bundled_people() for view in views])
        bundled = Pose(bundled.joints / 2, bundled.visible)
        order = torch.randperm(len(bundled), generator=torch.Generator().manual_seed(0))
        pair = [Pose.cat([pair[0], bundled]), Pose.cat([pair[1], bundled[order]])]
    return pair


def test_masks_are_the_definition_s_to_the_pixel(skeleton, poses):
    geometry, pose = PoseGeometry(skeleton, SIZE), poses[1]
    masks = geometry.masks(pose, geometry.limbs(pose), STRIDES)
    for stride, mask in zip(STRIDES, masks, strict=True):
        assert mask.any()
        assert torch.equal(mask, part_masks(pose, skeleton, SIZE, stride))


def test_distances_are_the_definition_s(skeleton, poses):
    geometry, pose = PoseGeometry(skeleton, SIZE), poses[1]
    found = geometry.distances(pose, geometry.limbs(pose))
    torch.testing.assert_close(found, part_distances(pose, skeleton, SIZE), atol=1e-5, rtol=0)


def test_transforms_are_the_definition_s_and_none_is_found_more_or_less(skeleton, poses):
    geometry = PoseGeometry(skeleton, SIZE)
    found, has = geometry.transforms(*poses, *map(geometry.limbs, poses))
    exact = [pose.to(torch.float64) for pose in poses]
    wanted, had = part_transforms(exact[0], exact[1], skeleton)
    assert torch.equal(has, had)
    assert has.any()
    assert not has.all()
    # At the image's corners, in pixels: the fit is float32 and random poses are extreme.
    corners = torch.tensor([[0.0, 0, 1], [31, 0, 1], [0, 63, 1], [31, 63, 1]]).T
    torch.testing.assert_close(found @ corners, (wanted.float() @ corners), atol=2e-2, rtol=1e-4)


def test_the_field_is_the_definition_s(skeleton, poses):
    geometry = PoseGeometry(skeleton, SIZE)
    limbs = [geometry.limbs(pose) for pose in poses]
    transforms = geometry.transforms(*poses, *limbs)
    distances = geometry.distances(poses[1], limbs[1])
    found = geometry.field(distances, *transforms, SOFTNESS * limbs[1].unit.clamp(min=1))
    wanted = part_field(*poses, skeleton, SIZE)
    torch.testing.assert_close(found, wanted, atol=2e-2, rtol=1e-4)
    assert (found - wanted).abs().median() < 1e-4


def test_without_any_visible_joint_nothing_moves():
    skeleton = find_skeleton("openpose18")
    geometry = PoseGeometry(skeleton, SIZE)
    nobody = Pose(torch.rand(1, 18, 2) * 32, torch.zeros(1, 18, dtype=torch.bool))
    limbs = geometry.limbs(nobody)
    transforms, found = geometry.transforms(nobody, nobody, limbs, limbs)
    assert not found.any()
    assert torch.equal(transforms, torch.eye(2, 3).expand(1, 10, 2, 3))
    assert not any(mask.any() for mask in geometry.masks(nobody, limbs, STRIDES))
    field = geometry.field(geometry.distances(nobody, limbs), transforms, found, torch.ones(1))
    torch.testing.assert_close(field, part_field(nobody, nobody, skeleton, SIZE))
