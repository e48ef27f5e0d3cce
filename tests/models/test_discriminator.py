"""The discriminator: its size, its patches, and what it looks at."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

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


FINE = DiscriminatorConfig(widths=(6, 8, 8, 8), local_levels=(1,), rows=128, fine_widths=(4, 6, 8))


@pytest.mark.parametrize(
    ("size", "patches", "fine"),
    [
        ((128, 64), [3, 465], []),
        ((128, 48), [3, 341], []),
        ((256, 96), [3, 341], [63 * 23, 31 * 11]),
        ((256, 256), [9, 961], [63 * 63, 31 * 31]),
    ],
)
def test_small_patches_are_judged_of_images_larger_than_its_rows_alone(size, patches, fine, people):
    source, candidate = views(people, size=size)
    with torch.no_grad():
        logits = Discriminator(FINE)(source, candidate)
    assert [logit.shape for logit in logits] == [(2, count) for count in patches + fine]


def test_larger_images_are_judged_at_its_rows_as_the_resized_ones(people):
    torch.manual_seed(1)
    discriminator = Discriminator(FINE)
    large = views(people, size=(256, 128))
    small = [
        View(F.avg_pool2d(v.image, 2), Pose((v.pose.joints + 0.5) / 2 - 0.5, v.pose.visible))
        for v in large
    ]
    with torch.no_grad():
        found, wanted = discriminator(*large), discriminator(*small)
    assert len(found) == 4
    for one, other in zip(found, wanted, strict=False):
        torch.testing.assert_close(one, other)


def test_small_patches_are_of_the_candidate_alone_and_of_about_10_and_22_pixels(people):
    discriminator = Discriminator(replace(FINE, norm="joint"))
    for layer in discriminator.fine[1:]:
        layer.norm = torch.nn.Identity()  # which looks at the whole image
    source, candidate = views(people, batch=1, size=(256, 128))
    image = candidate.image.requires_grad_()
    *_, ten, twenty = discriminator(source, View(image, candidate.pose))
    for logits, columns, reach in ((ten, 31, 10), (twenty, 15, 22)):
        middle = logits.view(-1, columns)[10, columns // 2]
        (gradient,) = torch.autograd.grad(middle, image, retain_graph=True)
        rows = gradient.abs().amax(dim=(0, 1, 3)).nonzero()
        assert rows.max() - rows.min() + 1 == reach
    with torch.no_grad():
        others = discriminator(
            View(source.image.flip(-1), candidate.pose), View(image, source.pose)
        )
    assert torch.equal(others[-1], twenty)
    assert torch.equal(others[-2], ten)
    assert not torch.equal(others[0], discriminator(source, View(image, candidate.pose))[0])


def test_with_small_patches_every_parameter_gets_a_gradient_of_a_large_image(people):
    discriminator = Discriminator(FINE)
    logits = torch.cat(discriminator(*views(people, size=(256, 96))), dim=1)
    for gradient in torch.autograd.grad(logits.square().sum(), list(discriminator.parameters())):
        assert gradient.isfinite().all()
        assert gradient.any()


def test_judging_images_as_they_come_needs_nothing_more(people):
    plain, rows = Discriminator(SMALL), Discriminator(replace(SMALL, rows=128))
    assert not any(name.startswith("fine") for name in plain.state_dict())
    rows.load_state_dict(plain.state_dict())
    for size in ((128, 64), (96, 64)):
        (one,), (other,) = (judge(*views(people, size=size)) for judge in (plain, rows))
        assert one.shape == other.shape
    pair = views(people)
    assert torch.equal(plain(*pair)[0], rows(*pair)[0])


def test_a_larger_image_s_scene_is_brought_to_its_rows_too(people):
    discriminator = Discriminator(replace(FINE, background=True))
    source, candidate = views(people, size=(256, 96))
    scene = torch.rand(2, 3, 256, 96)
    with torch.no_grad():
        logits = discriminator(source, replace(candidate, background=scene))
        others = discriminator(source, replace(candidate, background=-scene))
    assert not torch.equal(logits[0], others[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"fine_widths": (4, 6)}, "set rows"), ({"rows": -1}, "rows must not be negative, got -1")],
)
def test_a_shape_that_judges_nothing_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        inspect.unwrap(DiscriminatorConfig)(**changes)
