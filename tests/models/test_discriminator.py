"""The discriminator: its size, its patches, and what it looks at."""

from dataclasses import replace

import pytest
import torch

from deformgan.heatmap import render_heatmaps
from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.pair import View
from deformgan.pose import Pose

SMALL = DiscriminatorConfig(widths=(6, 8, 8, 8))


def views(people, batch=2, size=(128, 64)):
    return [
        View(torch.rand(batch, 3, *size) * 2 - 1, people(batch, size, seed=seed)) for seed in (0, 1)
    ]


def test_has_as_many_parameters_as_the_authors():
    with torch.device("meta"):
        discriminator = Discriminator(DiscriminatorConfig(norm="joint"))
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == 2_803_782


@pytest.mark.parametrize(("size", "patches"), [((128, 64), 3), ((128, 128), 9), ((256, 256), 49)])
def test_judges_as_many_patches_as_the_authors(size, patches, people):
    source, candidate = views(people, batch=1, size=size)
    with torch.no_grad():
        (logits,) = Discriminator(SMALL)(source, candidate)
    assert logits.shape == (1, patches)


@pytest.mark.parametrize("norm", ["instance", "joint"])
def test_gives_every_parameter_and_the_candidate_a_finite_gradient(norm, people):
    config = DiscriminatorConfig(widths=(6, 8, 8, 8), local_levels=(1, 2), norm=norm)
    discriminator = Discriminator(config)
    source, candidate = views(people)
    image = candidate.image.requires_grad_()
    scales = discriminator(source, View(image, candidate.pose))
    loss = torch.cat(scales, dim=1).square().sum()
    for gradient in torch.autograd.grad(loss, [image, *discriminator.parameters()]):
        assert gradient.isfinite().all()
        assert gradient.any()


def test_looks_at_both_photos_and_both_poses(people):
    discriminator = Discriminator(SMALL)
    source, candidate = views(people)
    image, pose = source.image.flip(-1), people(2, seed=2)
    with torch.no_grad():
        (logits,) = discriminator(source, candidate)
        others = [
            discriminator(View(image, source.pose), candidate),
            discriminator(View(source.image, pose), candidate),
            discriminator(source, View(image, candidate.pose)),
            discriminator(source, View(candidate.image, pose)),
            discriminator(candidate, source),
        ]
    assert all((logits - other).abs().max() > 1e-4 for (other,) in others)


def test_is_its_layers_on_the_four_tensors_in_order(people):
    discriminator = Discriminator(SMALL)
    source, candidate = views(people)
    maps = [render_heatmaps(view.pose, (128, 64)) for view in (source, candidate)]
    features = torch.cat([source.image, maps[0], candidate.image, maps[1]], dim=1)
    for layer in discriminator.layers:
        features = layer(features)
    with torch.no_grad():
        (logits,) = discriminator(source, candidate)
    assert torch.equal(logits, features[:, 0].flatten(1))


def test_a_local_level_is_judged_pixel_by_pixel_of_its_activated_features(people):
    discriminator = Discriminator(replace(SMALL, local_levels=(0, 2)))
    source, candidate = views(people)
    maps = [render_heatmaps(view.pose, (128, 64)) for view in (source, candidate)]
    with torch.no_grad():
        large, fine, coarse = discriminator(source, candidate)
        features = discriminator.judge(source.image, maps[0], candidate.image, maps[1])
    assert large.shape == (2, 3)
    for logits, level, head in zip((fine, coarse), (0, 2), discriminator.local, strict=True):
        seen = features[level]
        assert logits.shape == (2, seen.shape[2] * seen.shape[3])
        for row, column in ((0, 0), (3, 5), (7, 2)):
            values = seen[1, :, row, column]
            active = torch.where(values > 0, values, 0.2 * values)
            weight, bias = head.parameters()
            expected = (weight[0, :, 0, 0] * active).sum() + bias[0]
            torch.testing.assert_close(logits[1, row * seen.shape[3] + column], expected)


def test_an_item_of_a_batch_is_judged_as_if_alone(people):
    discriminator = Discriminator(SMALL)
    source, candidate = views(people, batch=8)
    with torch.no_grad():
        (together,) = discriminator(source, candidate)
        for place in (0, 5):
            (alone,) = discriminator(
                *(View(view.image[[place]], view.pose[[place]]) for view in (source, candidate))
            )
            torch.testing.assert_close(alone[0], together[place], atol=1e-5, rtol=0)


def test_poses_without_joints_are_judged_too(people):
    source, candidate = views(people)
    nobody = Pose(source.pose.joints, torch.zeros_like(source.pose.visible))
    (logits,) = Discriminator(SMALL)(View(source.image, nobody), View(candidate.image, nobody))
    assert logits.isfinite().all()
