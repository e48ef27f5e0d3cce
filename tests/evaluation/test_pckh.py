"""Whether the asked joints are found again."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import sample_test_pairs
from deformgan.detectors import load_detector
from deformgan.detectors.person import Detection
from deformgan.evaluation.pckh import find_again, pckh
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.stats.bootstrap import weighted_mean

TORSO = (("right_shoulder", "right_hip"), ("left_shoulder", "left_hip"))


class Oracle:
    """Stub detector: returns pose k for an image whose pixels all have the value k."""

    def __init__(self, poses):
        self.poses = poses
        self.looks = []

    def __call__(self, image, box=None):
        """Sees the image whole."""
        assert box is None
        self.looks.append(image.shape)
        pose = self.poses[[int(image[0, 0, 0])]]
        return Detection(pose, pose.visible[0].float())


def numbered(count, size=(128, 64)):
    """Images of one colour each, the number of the image."""
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, *size)


def displaced(pose, spread=8.0):
    """What a detector of little skill sees: everything somewhere near, some of it not at all."""
    noise = spread * torch.randn(pose.joints.shape)
    return Pose(pose.joints + noise, torch.rand(pose.visible.shape) < 0.8)


def by_definition(asked, found):
    """Count joint by joint."""
    shares = []
    for row in range(len(asked)):
        sides = [
            math.dist(*(asked.joints[row, OPENPOSE18.index(end)].tolist() for end in side)) ** 2
            for side in TORSO
            if all(asked.visible[row, OPENPOSE18.index(end)] for end in side)
        ]
        torso = math.sqrt(sum(sides) / len(sides)) if sides else 0.0
        right = wanted = 0
        for joint in range(18):
            if not asked.visible[row, joint]:
                continue
            wanted += 1
            apart = math.dist(asked.joints[row, joint].tolist(), found.joints[row, joint].tolist())
            right += bool(found.visible[row, joint]) and apart <= 0.25 * torso
        shares.append(right / wanted)
    return shares


def test_matches_the_definition(people):
    asked = people(batch=20, hidden=0.2)
    seen = displaced(asked)
    shares = pckh(numbered(20), asked, Oracle(seen))
    assert shares.tolist() == pytest.approx(by_definition(asked, seen), abs=1e-12)
    assert 0.2 < shares.mean() < 0.8  # or the comparison says nothing


def test_counts_a_joint_up_to_a_quarter_of_the_asked_torso_in_any_direction(people):
    asked = people(batch=1)
    at = asked.joints[0].round()  # whole pixels, so that 10 px are 10 px
    for name, place in (
        *(("right_shoulder", (20.0, 30.0)), ("right_hip", (20.0, 70.0))),
        *(("left_shoulder", (40.0, 30.0)), ("left_hip", (40.0, 70.0))),
    ):
        at[OPENPOSE18.index(name)] = torch.tensor(place)
    asked = Pose(at[None], asked.visible)  # the torso is 40 px long, the radius 10
    for offset, near in (((6.0, -8.0), True), ((-10.0, 0.0), True), ((0.0, 10.01), False)):
        moved = Pose(asked.joints + torch.tensor(offset), asked.visible)
        assert find_again(numbered(1), asked, Oracle(moved)).all() == near
        assert pckh(numbered(1), asked, Oracle(moved)).item() == near


def test_a_joint_that_the_detector_calls_invisible_is_not_found(people):
    asked = people(batch=1)
    visible = asked.visible.clone()
    visible[0, :9] = False
    assert pckh(numbered(1), asked, Oracle(Pose(asked.joints, visible))).item() == 0.5


def test_joints_that_were_not_asked_for_do_not_count(people):
    whole = people(batch=4)
    seen = displaced(whole)
    visible = whole.visible.clone()
    visible[:, OPENPOSE18.indices(["nose", "left_wrist", "right_ankle"])] = False
    asked = Pose(whole.joints, visible)
    again = find_again(numbered(4), asked, Oracle(seen))
    assert not again[~visible].any()
    anywhere = Pose(torch.where(visible[..., None], seen.joints, 1e4), seen.visible)
    assert pckh(numbered(4), asked, Oracle(anywhere)).equal(pckh(numbered(4), asked, Oracle(seen)))


def test_does_not_depend_on_the_batch_nor_on_the_size_of_the_picture(people):
    asked = people(batch=6)
    seen = displaced(asked)
    together = pckh(numbered(6), asked, Oracle(seen))
    for row in range(6):
        alone = pckh(numbered(6)[[row]], asked[[row]], Oracle(seen))
        assert alone.item() == together[row].item()
    large = Oracle(Pose(4 * seen.joints, seen.visible))
    assert pckh(numbered(6, (512, 256)), Pose(4 * asked.joints, asked.visible), large).equal(
        together
    )
    assert large.looks == [(512, 256, 3)] * 6  # whole, once


def test_the_weighted_mean_is_the_share_of_all_asked_joints(people):
    asked = people(batch=12, hidden=0.3)
    oracle = Oracle(displaced(asked))
    overall = find_again(numbered(12), asked, oracle).sum() / asked.visible.sum()
    per_image = pckh(numbered(12), asked, oracle)
    assert weighted_mean(per_image, asked.visible.sum(dim=1)) == pytest.approx(overall.item())
    assert per_image.mean().item() != pytest.approx(overall.item(), abs=1e-4)


def test_movenet_finds_asked_poses_in_the_photos_and_not_in_others(market1501, outside_weights):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    movenet = load_detector(
        f"movenet:{outside_weights / 'movenet_single_pose_lightning_ptq.tflite'}"
    )
    data = Market1501(market1501, split="test")
    pairs = sample_test_pairs(data.pairs, 40)
    source, target = pairs.unbind(dim=1)
    photos = [
        torch.from_numpy(np.stack([_decoded(data.paths[row]) for row in rows.tolist()]))
        for rows in (source, target)
    ]
    copy, real = (
        pckh(images.permute(0, 3, 1, 2), data.poses[target], movenet).mean() for images in photos
    )
    assert real > 0.88
    assert 0.15 < copy < 0.5


def _decoded(path):
    return np.asarray(Image.open(path).convert("RGB"))
