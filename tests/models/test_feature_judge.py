"""FeatureJudge: patches judged by a classifier's features."""

from dataclasses import replace

import pytest
import torch

from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.models.feature_judge import FeaturedView, FeatureJudge
from deformgan.pair import View
from deformgan.pose import Pose

CONFIG = DiscriminatorConfig(widths=(4, 8), rows=32, feature_layers=("conv2_1", "conv3_2"))


def view(rows: int) -> View:
    random = torch.Generator().manual_seed(rows)
    joints = torch.rand(2, 18, 2, generator=random) * (rows / 2)
    image = torch.rand(2, 3, rows, rows // 2, generator=random) * 2 - 1
    return View(image, Pose(joints, torch.ones(2, 18, dtype=torch.bool)))


def featured(scale: float = 1.0) -> FeaturedView:
    random = torch.Generator().manual_seed(1)
    shapes = {"conv2_1": (2, 128, 16, 8), "conv3_2": (2, 256, 8, 4)}
    return FeaturedView(
        view(32),
        {name: scale * torch.rand(*shape, generator=random) for name, shape in shapes.items()},
    )


def test_every_layer_adds_its_patches_after_the_others():
    torch.manual_seed(0)
    discriminator = Discriminator(CONFIG)
    plain = replace(CONFIG, feature_layers=())
    before = Discriminator(plain)(view(64), view(64))
    logits = discriminator(view(64), view(64), featured())
    assert [item.shape[1] for item in logits] == [before[0].shape[1], 8 * 4, 4 * 2]


def test_the_judgement_depends_on_features_and_on_the_pose_but_not_on_the_photo():
    torch.manual_seed(0)
    discriminator = Discriminator(CONFIG).eval()
    base, candidate = featured(), view(32)
    *_, usual = discriminator(view(32), candidate, base)
    *_, other_photo = discriminator(view(32), replace(candidate, image=-candidate.image), base)
    torch.testing.assert_close(other_photo, usual, rtol=1e-4, atol=1e-5)
    *_, other_features = discriminator(view(32), candidate, featured(2.0))
    moved = Pose(candidate.pose.joints * 0.5, candidate.pose.visible)
    shifted = replace(base, view=replace(base.view, pose=moved))
    *_, other_pose = discriminator(view(32), candidate, shifted)
    for other in (other_features, other_pose):
        assert (other - usual).abs().max() > 1e-3


def test_a_step_of_features_never_moves_logits_by_more_than_it_is_long():
    torch.manual_seed(0)
    judge = FeatureJudge(6, 2, 8)
    heatmaps = torch.zeros(1, 2, 16, 8)
    # What spectral normalization estimates is right after some rounds.
    base, step = torch.rand(1, 6, 8, 4), torch.randn(1, 6, 8, 4)
    for _ in range(50):
        judge(base, heatmaps)
    judge.eval()
    moved = (base + 0.1 * step).clamp(min=0)
    difference = judge(moved, heatmaps) - judge(base, heatmaps)
    # The matrix of a 4x4 kernel of stride 2 meets every input in 4 places, of a 3x3 one in 9.
    longest = (moved - base).norm() * (4 * 9) ** 0.5
    assert 0 < difference.norm() <= longest


def test_features_are_needed():
    with pytest.raises(ValueError, match="judges conv2_1"):
        Discriminator(CONFIG)(view(32), view(32))
    with pytest.raises(ValueError, match="feature_layers must be among"):
        DiscriminatorConfig(feature_layers=("conv5_1",))
    with pytest.raises(ValueError, match="feature_width"):
        DiscriminatorConfig(feature_width=0)
