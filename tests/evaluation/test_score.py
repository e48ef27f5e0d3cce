"""The per-image numbers of the protocol deformgan-1."""

import numpy as np
import pytest
import torch

from deformgan.evaluation.score import score
from deformgan.pose import Pose


@pytest.fixture
def people(golden):
    """Generated images, photos and target poses of the golden scores."""
    arrays = np.load(golden / "ssim.npz")
    keypoints = torch.from_numpy(np.load(golden / "poses_128x64.npz")["kp_to"][:10])
    generated, target = (
        torch.from_numpy(arrays[f"{side}_128x64"]).permute(0, 3, 1, 2)
        for side in ("generated", "target")
    )
    pose = Pose(keypoints.flip(-1), (keypoints != -1).all(dim=-1))
    return generated, target, pose, arrays


def test_gives_the_golden_numbers_from_images_and_poses_alone(people):
    generated, target, pose, arrays = people
    scores = score(generated, target, pose)
    for name, array in (
        ("ssim", "ssim_modern_128x64"),
        ("mask_ssim", "ssim_masked_modern_128x64"),
        ("l1", "l1_128x64"),
    ):
        expected = torch.from_numpy(arrays[array])
        torch.testing.assert_close(scores[name], expected, rtol=0, atol=1e-12)


def test_does_not_depend_on_the_batch(people):
    generated, target, pose, _ = people
    together = score(generated, target, pose)
    for item in range(len(pose)):
        one = slice(item, item + 1)
        alone = score(generated[one], target[one], pose[one])
        assert alone.keys() == together.keys() == {"ssim", "mask_ssim", "l1", "psnr"}
        for name, values in alone.items():
            torch.testing.assert_close(values[0], together[name][item], rtol=0, atol=1e-12)
