"""Compared: both images as loss terms look at them."""

from dataclasses import replace

import pytest
import torch

from deformgan.backbones.vgg19 import OXFORD_LEVEL, Vgg19Features
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.recipes import RECIPES
from deformgan.training.compared import Compared, random_shift
from deformgan.training.config import LossWeights

PLAIN = replace(
    RECIPES["pedestrian-base"](), weights=LossWeights(adversarial=1.0, nearest_neighbour=0.01)
)
LAYERED = replace(RECIPES["pedestrian"](), weights=LossWeights(features=0.1))


@pytest.fixture(scope="module")
def vgg() -> Vgg19Features:
    random = torch.Generator().manual_seed(0)
    arrays, inputs = {}, 3
    for name, outputs in (
        *(("conv1_1", 64), ("conv1_2", 64), ("conv2_1", 128), ("conv2_2", 128)),
        *(("conv3_1", 256), ("conv3_2", 256)),
    ):
        scale = (2 / (9 * inputs)) ** 0.5
        arrays[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * scale
        arrays[f"{name}.bias"] = torch.zeros(outputs)
        inputs = outputs
    return Vgg19Features.from_arrays(arrays, ["conv1_2", "conv2_2", "conv3_2"])


def target(rows: int, columns: int) -> View:
    joints = torch.rand(1, 18, 2) * columns
    pose = Pose(joints, torch.ones(1, 18, dtype=torch.bool))
    return View(torch.rand(1, 3, rows, columns) * 2 - 1, pose)


def test_features_are_in_units_of_their_level_and_only_the_generated_has_a_gradient(vgg):
    true = target(32, 16)
    generated = torch.rand(1, 3, 32, 16, requires_grad=True)
    compared = Compared.of(true, generated, vgg, PLAIN)
    assert list(compared.target_features) == ["conv1_2"]
    torch.testing.assert_close(
        compared.target_features["conv1_2"] * OXFORD_LEVEL["conv1_2"], vgg(true.image)["conv1_2"]
    )
    assert not compared.target_features["conv1_2"].requires_grad
    compared.generated_features["conv1_2"].sum().backward()
    assert generated.grad is not None
    assert generated.grad.abs().sum() > 0


def test_a_layered_generators_pictures_are_compared_at_its_rows_and_others_as_they_are(vgg):
    true, generated = target(256, 96), torch.rand(1, 3, 256, 96)
    compared = Compared.of(true, generated, vgg, LAYERED)
    assert compared.target.image.shape == (1, 3, 128, 48)
    assert compared.generated is not None
    assert compared.generated.shape == (1, 3, 128, 48)
    assert list(compared.target_features) == ["conv3_2", "conv2_2"]
    whole = Compared.of(true, generated, vgg, PLAIN)
    assert whole.target is true


def test_nothing_is_looked_at_that_nobody_asks_for(vgg):
    true = target(32, 16)
    alone = Compared.of(true, None, vgg, PLAIN)
    assert alone.generated is None
    assert alone.generated_features == {}
    without = replace(
        PLAIN, weights=LossWeights(l1=1.0), discriminator=DiscriminatorConfig(widths=(8, 8))
    )
    assert Compared.of(true, true.image, None, without).target_features == {}
    judged = replace(
        without, discriminator=replace(without.discriminator, feature_layers=("conv2_2",))
    )
    assert judged.vgg_layers == ("conv2_2",)
    with pytest.raises(ValueError, match="features must provide conv2_2 of VGG-19"):
        Compared.of(true, true.image, None, judged)


def test_a_shift_moves_both_images_and_the_pose_and_features_are_of_what_was_moved(vgg):
    true, generated = target(256, 96), torch.rand(1, 3, 256, 96)
    whole = Compared.of(true, generated, vgg, LAYERED)
    moved = Compared.of(true, generated, vgg, LAYERED, shift=(3, -2))
    for before, after in (
        (whole.target.image, moved.target.image),
        (whole.generated, moved.generated),
    ):
        assert before is not None
        assert after is not None
        assert after.shape == before.shape
        assert torch.equal(after[:, :, :-3, 2:], before[:, :, 3:, :-2])
        # Mirrored at the edges: no streaks, no colour that is not there.
        assert torch.equal(after[:, :, -3:, 2:], before[:, :, -4:-1, :-2].flip(2))
        assert torch.equal(after[:, :, :-3, :2], before[:, :, 3:, 1:3].flip(3))
    assert moved.generated is not None
    way = torch.tensor([2.0, -3.0])
    torch.testing.assert_close(moved.target.pose.joints, whole.target.pose.joints + way)
    wanted = vgg(moved.generated)["conv2_2"] / vgg.level("conv2_2")
    torch.testing.assert_close(moved.generated_features["conv2_2"], wanted)
    assert moved.featured_generated.view.image is moved.generated
    assert moved.featured_generated.view.pose is moved.target.pose
    assert moved.featured_target.features is moved.target_features


def test_shifts_reach_both_ways_and_depend_on_seed_and_step_alone():
    config = replace(LAYERED, shift=3)
    drawn = [random_shift(config, step) for step in range(400)]
    for ways in zip(*drawn, strict=True):
        assert set(ways) == set(range(-3, 4))
    assert len(set(drawn)) == 49
    assert drawn[5] == random_shift(config, 5)
    assert drawn != [random_shift(replace(config, seed=1), step) for step in range(400)]
    assert random_shift(replace(config, shift=0), 7) == (0, 0)
