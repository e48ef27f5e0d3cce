"""Inputs of benchmarks: features, and poses of the bundled people."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.affine import normalize, part_transforms
from deformgan.files import bundled
from deformgan.pair import View
from deformgan.parts import part_masks
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

_PEOPLE = bundled("people/annotation.csv")
_PEOPLE_SIZE = (128, 64)
_VIEWS = 4  # consecutive photos of each bundled person


def random_features(
    batch: int, channels: int, size: tuple[int, int], device: str
) -> Float[Tensor, "batch channels height width"]:
    """Return random features as after a ReLU, half of them zero, which receive a gradient."""
    return torch.randn(batch, channels, *size, device=device).relu_().requires_grad_()


def bundled_pairs(batch: int, size: tuple[int, int]) -> tuple[Pose, Pose]:
    """Return source and target poses of bundled people, centred in an image of `size`."""
    pose = read_annotations(_PEOPLE).pose
    scale = size[0] / _PEOPLE_SIZE[0]
    joints = pose.joints * scale
    joints = joints + joints.new_tensor([(size[1] - _PEOPLE_SIZE[1] * scale) / 2, 0])
    pose = Pose(joints, pose.visible)
    first = [person * _VIEWS for person in range(batch)]
    # From front to back: the torso of a person seen from the side has no transform, which would
    # skip the largest part.
    return pose[first], pose[[view + 2 for view in first]]


def bundled_parts(
    batch: int, size: tuple[int, int], device: str
) -> tuple[Float[Tensor, "batch parts 2 3"], Bool[Tensor, "batch parts height width"]]:
    """Return normalized transforms and masks between two poses of each bundled person."""
    source, target = bundled_pairs(batch, size)
    transforms, found = part_transforms(source, target, OPENPOSE18)
    masks = part_masks(target, OPENPOSE18, size) & found[:, :, None, None]
    return normalize(transforms, size).to(device), masks.to(device)


def random_views(batch: int, size: tuple[int, int], device: str) -> tuple[View, Pose]:
    """Return images of noise with the poses of bundled people, and target poses."""
    source, target = (pose.to(device) for pose in bundled_pairs(batch, size))
    return View(torch.rand(batch, 3, *size, device=device) * 2 - 1, source), target
