"""pckh: does the person stand as asked? A pose detector looks for the asked joints again."""

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.detectors.person import PoseDetector
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

RADIUS = 0.25  # in torso lengths


def pckh(
    images: UInt8[Tensor, "batch 3 height width"], asked: Pose, detector: PoseDetector
) -> Float[Tensor, "batch"]:
    """Measures per image which share of the asked joints a detector finds again.

    The number of many images is their mean weighted by how many joints were asked for, which is the
    share of all asked joints. The detector is a judge: it scores, and never trains, selects or
    gives gradients.

    Args:
        images: Generated images, RGB.
        asked: The poses that were asked for, of `openpose18`, in pixels of the images; each has
            shoulder and hip of one side at least, or the torso would have no length.
        detector: Sees every image whole, in one look.

    Source:
        The percentage of correct keypoints (PCKh) of Andriluka et al., "2D Human Pose Estimation",
        CVPR 2014, which pose transfer took over with Zhu et al., "Progressive Pose Attention
        Transfer", CVPR 2019. Theirs is half of the head's length; heads of 64x128 photos are a few
        pixels, so here it is a quarter of the torso's.
    """
    found = find_again(images, asked, detector)
    return found.sum(dim=1).double() / asked.visible.sum(dim=1).to(found.device)


def counts_joints(metric: str) -> bool:
    """Tells whether a metric is a share of all asked joints, whose mean over pairs they weigh."""
    return metric.split("_", maxsplit=1)[0] == "pckh"


def find_again(
    images: UInt8[Tensor, "batch 3 height width"], asked: Pose, detector: PoseDetector
) -> Bool[Tensor, "batch joints"]:
    """Tells which asked joints a detector finds again, within a quarter of the asked torso length.

    A joint that the detector calls invisible is not found, wherever the detector puts it: a smear
    in the right place is no arm. With MoveNet this takes 0.008 from real photos of Market-1501 and
    0.004 from photos in another pose.

    Args:
        images: As in `pckh`.
        asked: As in `pckh`.
        detector: As in `pckh`.

    Returns:
        False for joints that were not asked for.
    """
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    return joints_met(Pose.cat([detector(image).pose for image in pixels]), asked)


def joints_met(found: Pose, asked: Pose) -> Bool[Tensor, "batch joints"]:
    """Tells which asked joints are where they were asked for; see `find_again`.

    Args:
        found: What a detector found, one pose per asked one.
        asked: As in `pckh`.
    """
    asked = asked.to(found.joints)
    apart = (found.joints - asked.joints).norm(dim=-1)
    near = apart <= RADIUS * unit_length(asked, OPENPOSE18)[:, None]
    return near & found.visible & asked.visible
