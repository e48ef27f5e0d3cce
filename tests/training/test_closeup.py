"""Window: where it lies, what is seen through it, and who gets its gradient."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.models.discriminator import Discriminator
from deformgan.models.feature_judge import FeaturedView
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.recipes import RECIPES
from deformgan.training.closeup import Window

RECIPE = RECIPES["pedestrian"]()
CONFIG = replace(
    RECIPE,
    discriminator=replace(
        RECIPE.discriminator, widths=(4, 8), feature_layers=(), closeup_layers=("conv1_2",)
    ),
)


@pytest.fixture(scope="module")
def vgg():
    random = torch.Generator().manual_seed(0)
    arrays, inputs = {}, 3
    for name in ("conv1_1", "conv1_2"):
        arrays[f"{name}.weight"] = torch.randn(64, inputs, 3, 3, generator=random) * 0.1
        arrays[f"{name}.bias"] = torch.zeros(64)
        inputs = 64
    return Vgg19Features.from_arrays(arrays, ["conv1_2"])


def view(rows, columns, seed=0):
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, rows, columns, generator=random) * 2 - 1
    joints = torch.rand(2, 18, 2, generator=random) * columns
    return View(image, Pose(joints, torch.ones(2, 18, dtype=torch.bool)))


@pytest.mark.parametrize("size", [(256, 96), (256, 128), (160, 64), (132, 200)])
def test_windows_lie_within_the_picture_reach_every_edge_and_have_its_proportions(size):
    drawn = [Window.random(CONFIG, step, size) for step in range(400)]
    windows = [window for window in drawn if window is not None]
    assert len(windows) == 400
    columns = windows[0].size[1]
    assert columns % 4 == 0
    assert columns == pytest.approx(128 * size[1] / size[0], abs=2)
    assert {window.size for window in windows} == {(128, columns)}
    for starts, most in (
        ({window.top for window in windows}, size[0] - 128),
        ({window.left for window in windows}, size[1] - columns),
    ):
        assert starts <= set(range(most + 1))
        assert {0, most} <= starts


def test_heads_and_feet_are_judged_a_third_as_often_as_the_middle():
    seen = np.zeros(256)
    for step in range(1000):
        window = Window.random(CONFIG, step, (256, 96))
        assert window is not None
        seen[window.top : window.top + 128] += 1
    # The outermost row is in a window that touches the edge: centres in a quarter of the rows.
    assert seen[:16].min() == pytest.approx(250, abs=50)
    assert seen[-16:].min() == pytest.approx(250, abs=50)
    assert seen[128] == pytest.approx(750, abs=50)


def test_the_window_depends_on_seed_and_step_alone():
    first = Window.random(CONFIG, 3, (256, 96))
    assert first == Window.random(CONFIG, 3, (256, 96))
    others = {Window.random(CONFIG, step, (256, 96)) for step in range(20)}
    assert len(others) > 15
    assert first != Window.random(replace(CONFIG, seed=1), 3, (256, 96))


def test_no_window_without_judges_or_for_pictures_that_are_judged_whole():
    assert Window.random(CONFIG, 0, (128, 64)) is None
    blind = replace(CONFIG, discriminator=replace(CONFIG.discriminator, closeup_layers=()))
    assert Window.random(blind, 0, (256, 96)) is None


def test_pixels_joints_and_features_are_those_of_the_window(vgg):
    shown, window = view(256, 96), Window(70, 31, (128, 48))
    seen = window.of(shown, shown.image, vgg, CONFIG)
    cut = shown.image[:, :, 70:198, 31:79]
    torch.testing.assert_close(seen.view.image, cut)
    torch.testing.assert_close(seen.view.pose.joints[..., 0], shown.pose.joints[..., 0] - 31)
    torch.testing.assert_close(seen.view.pose.joints[..., 1], shown.pose.joints[..., 1] - 70)
    wanted = vgg(cut)["conv1_2"] / vgg.level("conv1_2")
    torch.testing.assert_close(seen.features["conv1_2"], wanted)


def test_a_discriminator_judges_the_window_after_all_else_and_only_if_there_is_one(vgg):
    torch.manual_seed(0)
    discriminator = Discriminator(CONFIG.discriminator).eval()
    source, candidate = view(256, 96), view(256, 96, seed=1)
    window = Window(10, 20, (128, 48))
    seen = window.of(candidate, candidate.image, vgg, CONFIG)
    without = discriminator(source, candidate)
    *others, last = discriminator(source, candidate, None, seen)
    for one, other in zip(others, without, strict=True):
        torch.testing.assert_close(one, other)
    judge = discriminator.by_closeup["conv1_2"]
    by_hand = judge(seen.features["conv1_2"], discriminator.heatmaps(seen.view))
    torch.testing.assert_close(last, by_hand.flatten(1))


def test_the_picture_gets_a_gradient_within_the_window_alone(vgg):
    discriminator = Discriminator(CONFIG.discriminator).eval()
    shown = view(256, 96)
    generated = shown.image.clone().requires_grad_()
    seen = Window(70, 31, (128, 48)).of(shown, generated, vgg, CONFIG)
    discriminator(shown, shown, None, seen)[-1].sum().backward()
    inside = torch.zeros(256, 96, dtype=torch.bool)
    inside[70:198, 31:79] = True
    given = generated.grad.abs().sum(dim=(0, 1)) > 0
    assert given[inside].float().mean() > 0.95
    assert not given[~inside].any()


def test_batches_are_concatenated_without_gradient(vgg):
    shown = view(256, 96)
    window = Window(0, 0, (128, 48))
    generated = shown.image.clone().requires_grad_()
    both = FeaturedView.cat(
        [window.of(shown, shown.image, vgg, CONFIG), window.of(shown, generated, vgg, CONFIG)]
    )
    assert both.view.image.shape == (4, 3, 128, 48)
    assert not both.features["conv1_2"].requires_grad
    torch.testing.assert_close(both.features["conv1_2"][:2], both.features["conv1_2"][2:])


def test_windows_of_images_that_are_judged_whole_are_refused():
    with pytest.raises(ValueError, match=r"closeup_layers judge images of more than `rows` rows"):
        replace(CONFIG.discriminator, fine_widths=(), rows=0)
    with pytest.raises(ValueError, match="closeup_layers must be among"):
        replace(CONFIG.discriminator, closeup_layers=("conv9_9",))
