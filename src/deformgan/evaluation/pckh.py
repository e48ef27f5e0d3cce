"""pckh: percentage of correct keypoints, as found by a pose detector in generated images."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Num, UInt8
from torch import Tensor

from deformgan.detectors.person import PoseDetector
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

RADIUS = 0.25  # in torso lengths


def pckh(
    images: UInt8[Tensor, "batch 3 height width"], asked: Pose, detector: PoseDetector
) -> Float[Tensor, "batch"]:
    """Compute the fraction of each image's target joints that a detector finds in place.

    Average it over images weighted by the number of target joints, which yields the fraction of all
    target joints. The detector is a judge: use it only for evaluation, never for training or model
    selection.

    Args:
        images: Generated images, RGB.
        asked: Target poses of `openpose18`, in pixels of the images. Each must have shoulder and
            hip of at least one side, which define the torso length.
        detector: Pose detector, run once on every whole image.

    Source:
        The percentage of correct keypoints (PCKh) of Andriluka et al., "2D Human Pose Estimation",
        CVPR 2014, introduced to pose transfer by Zhu et al., "Progressive Pose Attention Transfer",
        CVPR 2019. Their radius is half of the head's length; heads in 64x128 photos have only a few
        pixels, so here it is a quarter of the torso's length.
    """
    found = find_again(images, asked, detector)
    return found.sum(dim=1).double() / asked.visible.sum(dim=1).to(found.device)


def counts_joints(metric: str) -> bool:
    """Return whether a metric is a fraction of target joints, by which its mean is weighted."""
    return metric.split("_", maxsplit=1)[0] == "pckh"


def metric_weights(
    metrics: Sequence[str], asked: Num[Tensor, "pairs"]
) -> Float[Tensor, "pairs metrics"]:
    """Return the weight of each pair in the mean of each metric.

    Args:
        metrics: Names of the metrics.
        asked: Number of visible target joints of each pair, by which PCKh is weighted.
    """
    weights = torch.ones(len(asked), len(metrics), dtype=torch.float64, device=asked.device)
    weights[:, [counts_joints(name) for name in metrics]] = asked[:, None].double()
    return weights


def find_again(
    images: UInt8[Tensor, "batch 3 height width"], asked: Pose, detector: PoseDetector
) -> Bool[Tensor, "batch joints"]:
    """Return which target joints a detector finds within a quarter of the target's torso length.

    Joints that the detector marks as invisible do not count, wherever it places them: a smear in
    the right place is not an arm. With MoveNet, this lowers the score of real photos of Market-1501
    by 0.008, and that of photos in another pose by 0.004.

    Args:
        images: As in `pckh`.
        asked: As in `pckh`.
        detector: As in `pckh`.

    Returns:
        Mask of the joints; False for joints missing in the target pose.
    """
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    return joints_met(Pose.cat([detector(image).pose for image in pixels]), asked)


def joints_met(found: Pose, asked: Pose) -> Bool[Tensor, "batch joints"]:
    """Return which target joints are found in place; see `find_again`.

    Args:
        found: Detected poses, one per target pose.
        asked: As in `pckh`.
    """
    asked = asked.to(found.joints)
    apart = (found.joints - asked.joints).norm(dim=-1)
    near = apart <= RADIUS * unit_length(asked, OPENPOSE18)[:, None]
    return near & found.visible & asked.visible
