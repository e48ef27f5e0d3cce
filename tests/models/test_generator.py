"""The generator: its size, its forms, its noise, and what never changes a picture."""

from dataclasses import replace

import pytest
import torch

from deformgan.affine import part_transforms
from deformgan.checkpoint import load_generator, save_generator
from deformgan.models.blocks import Noise
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pair import View
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SMALL = GeneratorConfig(
    encoder_widths=(4, 6, 8, 8), decoder_widths=(8, 6, 4), warped_levels=3, heatmap_sigma=3.0
)
ONE_STREAM = {"streams": 1, "warp": "none"}
REFINED = ("refined", "refined blend", "refined average", "refined reference")
FORMS = {
    "parts": {},
    "global": {"warp": "global"},
    "unwarped": {"warp": "none"},
    "one stream": ONE_STREAM,
    "resize": {"upsampling": "resize"},
    "blend": {"blend": True},
    "global blend": {"blend": True, "warp": "global"},
    "average": {"aggregation": "average"},
    "learned": {"warp": "learned"},
    "learned blend": {"warp": "learned", "blend": True},
    "refined": {"refine": True},
    "refined blend": {"refine": True, "blend": True},
    "refined average": {"refine": True, "aggregation": "average"},
    "refined reference": {
        "refine": True,
        "fit": "total",
        "frame": "strided",
        "convention": "reference",
    },
    "reference": {
        "norm": "joint",
        "interpolation": "nearest",
        "fit": "total",
        "frame": "strided",
        "convention": "reference",
        "heatmap_kind": "terraced",
    },
}
LARGE = {
    "encoder_widths": (64, 128, 256, 512, 512, 512, 512),
    "decoder_widths": (512, 512, 512, 512, 256, 128),
}


def make(**changes):
    torch.manual_seed(3)
    return Generator(replace(SMALL, **changes)).eval()


def awake(generator):
    """A generator whose learned transforms are no longer those that it starts with."""
    for name in ("learned_affine", "refinement"):
        if hasattr(generator, name):
            torch.nn.init.normal_(getattr(generator, name).layers[-1].weight, std=0.05)
    return generator


def scene(people, batch=3, size=(48, 24), hidden=0.0):
    source = View(torch.rand(batch, 3, *size) * 2 - 1, people(batch, size, hidden=hidden))
    return source, people(batch, size, seed=1, hidden=hidden)


def item_of(view, place):
    return View(view.image[[place]], view.pose[[place]])


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, 61_109_085),
        ({"warp": "global"}, 61_109_085),
        (ONE_STREAM, 36_072_533),
        (LARGE, 82_080_611),
        (LARGE | ONE_STREAM, 48_655_449),
    ],
)
def test_has_as_many_parameters_as_the_authors(changes, parameters):
    # Their counts are with one scale and one shift per norm.
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(norm="joint", **changes))
    assert sum(parameter.numel() for parameter in generator.parameters()) == parameters


@pytest.mark.parametrize(("changes", "parameters"), [({}, 61_136_885), (LARGE, 82_108_411)])
def test_with_a_learned_transform_too_when_it_is_counted_at_every_warped_level(changes, parameters):
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(norm="joint", warp="learned", **changes))
    found = sum(parameter.numel() for parameter in generator.parameters())
    shared = sum(parameter.numel() for parameter in generator.learned_affine.parameters())
    assert found + (generator.config.warped_levels - 1) * shared == parameters


@pytest.mark.parametrize("form", FORMS)
def test_every_form_paints_and_reaches_all_its_parameters_with_finite_gradients(form, people):
    generator = awake(make(**FORMS[form])).train()
    source, target = scene(people, hidden=0.15)
    picture = generator(source, target)
    assert picture.shape == source.image.shape
    assert picture.abs().max() <= 1
    picture.square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A convolution's own shift is taken away again by the norm behind it, nothing else is.
        assert parameter.grad.any(), name


@pytest.mark.parametrize("form", FORMS)
def test_poses_without_any_transform_give_a_finite_picture_and_gradient(form, people):
    generator = awake(make(**FORMS[form])).train()
    source, target = scene(people)
    hidden = torch.zeros_like(target.visible)
    nobody = View(source.image, Pose(source.pose.joints, hidden))
    for view, pose in [
        (nobody, target),
        (source, Pose(target.joints, hidden)),
        (nobody, Pose(target.joints, hidden)),
    ]:
        generator.zero_grad()
        picture = generator(view, pose)
        assert picture.isfinite().all()
        picture.square().mean().backward()
        assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())


def test_one_bad_pose_leaves_the_rest_of_its_batch_alone(people):
    generator = make(blend=True)
    source, target = scene(people)
    wanted = generator(source, target)
    hidden = target.visible.clone()
    hidden[1] = False
    picture = generator(source, Pose(target.joints, hidden))
    torch.testing.assert_close(picture[[0, 2]], wanted[[0, 2]], atol=1e-5, rtol=0)
    assert not torch.allclose(picture[1], wanted[1])


@pytest.mark.parametrize("form", FORMS)
def test_batch_1_is_the_same_item_of_batch_8(form, people):
    generator = awake(make(**FORMS[form]))
    source, target = scene(people, batch=8, hidden=0.1)
    with torch.no_grad():
        together = generator(source, target)
        for place in (0, 5):
            alone = generator(item_of(source, place), target[[place]])
            # A hundredth of a grey level: where a transform is learned, its rounding moves pixels.
            torch.testing.assert_close(alone[0], together[place], atol=1e-4, rtol=0)


def test_the_number_of_threads_does_not_matter(people):
    generator = make(blend=True)
    source, target = scene(people)
    with torch.no_grad():
        one = generator(source, target)
        torch.set_num_threads(2)  # the suite's fixture sets it back
        two = generator(source, target)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(256, 256), (128, 64), (32, 96), (8, 8)])
def test_any_size_that_the_stride_divides_runs(size, people):
    source, target = scene(people, batch=1, size=size)
    with torch.no_grad():
        assert make()(source, target).shape == (1, 3, *size)


@pytest.mark.parametrize("size", [(127, 64), (128, 60), (4, 64)])
def test_other_sizes_are_refused(size, people):
    source, target = scene(people, batch=1, size=size)
    with pytest.raises(ValueError, match="multiples of 8"):
        make()(source, target)


def test_noise_is_repeatable_differs_with_its_seed_and_is_off_without_it(people):
    generator = make()
    source, target = scene(people)
    with torch.no_grad():
        one, again, other = (
            generator(source, target, Noise(torch.Generator().manual_seed(seed)))
            for seed in (1, 1, 2)
        )
        still = generator(source, target)
        assert torch.equal(one, again)
        assert not torch.equal(one, other)
        assert not torch.equal(one, still)
        assert torch.equal(generator(source, target), still)


def test_in_training_noise_comes_from_torch_s_own_random_numbers(people):
    generator = make().train()
    source, target = scene(people)
    pictures = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        pictures.append(generator(source, target))
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def test_the_picture_depends_on_the_photo_and_on_both_poses(people):
    generator = make()
    source, target = scene(people)
    with torch.no_grad():
        picture = generator(source, target)
        others = [
            generator(View(source.image.flip(-1), source.pose), target),
            generator(View(source.image, target), target),
            generator(source, source.pose),
        ]
    assert all((picture - other).abs().max() > 1e-3 for other in others)


@pytest.mark.parametrize("form", ["blend", "learned blend", "refined blend"])
def test_where_a_missing_joint_is_said_to_be_does_not_matter(form, people):
    generator = awake(make(**FORMS[form]))
    source, target = scene(people, hidden=0.3)
    moved = [
        Pose(pose.joints.where(pose.visible[..., None], 777.0), pose.visible)
        for pose in (source.pose, target)
    ]
    with torch.no_grad():
        picture = generator(source, target)
        again = generator(View(source.image, moved[0]), moved[1])
    assert torch.equal(again, picture)


@pytest.mark.parametrize("form", ["parts", "learned", "refined"])
def test_a_bfloat16_run_moves_parts_with_full_precision(form, people):
    generator = awake(make(**FORMS[form]))
    source, target = scene(people, size=(128, 64))
    wanted = generator.guide(source.pose, target, (128, 64))
    with torch.autocast("cpu", torch.bfloat16):
        guide = generator.guide(source.pose, target, (128, 64))
    for ours, theirs in zip(guide.transforms, wanted.transforms, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_warped_level_has_its_own_masks_emptied_where_no_transform_was_found(people):
    generator = make()
    source, target = scene(people, size=(64, 32), hidden=0.3)
    guide = generator.guide(source.pose, target, (64, 32))
    _, found = part_transforms(source.pose, target, OPENPOSE18)
    assert [mask.shape for mask in guide.masks] == [(3, 10, 64 >> n, 32 >> n) for n in range(3)]
    assert not found.all()
    for mask in guide.masks:
        assert not mask[~found].any()
    assert guide.masks[0][found].flatten(1).any(dim=1).float().mean() > 0.9


def test_with_the_same_pose_twice_the_torso_s_skip_is_the_source_s_features(people):
    generator = make(warp="global")
    source, _ = scene(people)
    guide = generator.guide(source.pose, source.pose, (48, 24))
    with torch.no_grad():
        activations = generator.paint(source.image, guide)
    for level in range(3):
        source_features = activations.source[level]
        moved = activations.skips[level][:, : source_features.shape[1]]
        torch.testing.assert_close(moved, source_features, atol=1e-4, rtol=1e-4)


def test_a_learned_transform_starts_with_unmoved_skips_and_serves_every_level(people):
    generator = make(warp="learned", blend=True)
    source, target = scene(people, hidden=0.2)
    with torch.no_grad():
        activations = generator.paint(source.image, generator.guide(source.pose, target, (48, 24)))
        for level in range(3):
            features = activations.source[level]
            moved = activations.skips[level][:, : features.shape[1]]
            torch.testing.assert_close(moved, features, atol=1e-4, rtol=1e-4)
        guide = awake(generator).guide(source.pose, target, (48, 24))
    first, *others = guide.transforms
    assert torch.equal(first, generator.learned_affine(source.pose, target, (48, 24)))
    assert first.shape == (3, 1, 2, 3)
    assert not torch.allclose(first, torch.eye(2, 3))
    assert len(others) == 2
    assert all(torch.equal(other, first) for other in others)
    assert all(mask.all() for mask in guide.masks)


@pytest.mark.parametrize("form", REFINED)
def test_a_refined_generator_starts_as_the_unrefined_one_to_the_bit(form, people):
    plain, refined = make(**FORMS[form] | {"refine": False}), make(**FORMS[form])
    weights = plain.state_dict()
    for name, value in refined.state_dict().items():
        assert name.startswith("refinement.") or torch.equal(value, weights[name]), name
    source, target = scene(people, hidden=0.15)
    pictures = [generator(source, target) for generator in (plain, refined)]
    assert torch.equal(*pictures)
    for picture in pictures:
        picture.square().mean().backward()
    gradients = dict(refined.named_parameters())
    for name, parameter in plain.named_parameters():
        assert torch.equal(parameter.grad, gradients[name].grad), name


@pytest.mark.parametrize("form", REFINED)
def test_refinement_moves_parts_that_have_a_transform_and_nothing_else(form, people):
    generator = make(**FORMS[form])
    source, target = scene(people, size=(64, 32), hidden=0.3)
    before = generator.guide(source.pose, target, (64, 32))
    after = awake(generator).guide(source.pose, target, (64, 32))
    _, found = part_transforms(
        source.pose.to(torch.float64),
        target.to(torch.float64),
        OPENPOSE18,
        generator.config.fit,
    )
    assert found.any()
    assert not found.all()
    assert torch.equal(after.source_heatmaps, before.source_heatmaps)
    assert torch.equal(after.target_heatmaps, before.target_heatmaps)
    for moved, still in zip(after.transforms, before.transforms, strict=True):
        assert torch.equal(moved[~found], still[~found])
        assert (moved[found] - still[found]).abs().amax(dim=(1, 2)).min() > 1e-3
    for mask, old in zip(after.masks, before.masks, strict=True):
        assert torch.equal(mask, old)
        assert not mask[~found].any()


def test_a_refinement_s_move_is_the_same_in_the_image_at_every_level_of_the_strided_frame(people):
    generator = awake(make(**FORMS["refined reference"]))
    source, target = scene(people, size=(64, 32))
    guide = generator.guide(source.pose, target, (64, 32))
    torso = torch.stack([transforms[:, 0] for transforms in guide.transforms])
    places = []
    for level, transforms in enumerate(torso):
        # The image's pixel (8, 16) is pixel (8, 16) / stride of a level, where it reads the source.
        width, height = 32 >> level, 64 >> level
        x, y = ((8 >> level) * 2 + 1) / width - 1, ((16 >> level) * 2 + 1) / height - 1
        u, v = (transforms @ torch.tensor([x, y, 1.0]).double()).unbind(dim=1)
        places.append(torch.stack([(u + 1) * width - 1, (v + 1) * height - 1]) / 2 * 2**level)
    torch.testing.assert_close(places[1], places[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(places[2], places[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", ["learned", "learned blend", *REFINED])
def test_what_is_learned_of_transforms_gets_the_gradient_of_the_picture(form, people):
    # Finite differences, in double precision.
    generator = awake(make(**FORMS[form])).double()
    source, target = scene(people, size=(16, 16), hidden=0.1)
    source = View(source.image.double(), source.pose.to(torch.float64))
    target = target.to(torch.float64)
    direction = torch.randn_like(source.image)

    def loss():
        return (generator(source, target) * direction).mean()

    loss().backward()
    network = generator.learned_affine if "learned" in form else generator.refinement
    step = 1e-7
    for layer in (network.layers[0], network.layers[-1]):
        for parameter in (layer.weight, layer.bias):
            place = int(parameter.grad.abs().argmax())
            entry = parameter.data.view(-1)[place : place + 1]
            with torch.no_grad():
                entry += step
                above = loss()
                entry -= 2 * step
                below = loss()
                entry += step
            found = (above - below) / (2 * step)
            assert found != 0
            torch.testing.assert_close(found, parameter.grad.view(-1)[place], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("form", ["learned blend", "refined blend"])
def test_a_learned_transform_survives_its_file(form, people, tmp_path):
    generator = awake(make(**FORMS[form]))
    save_generator(tmp_path / "a.safetensors", generator, {}, dtype=torch.float32)
    loaded, _ = load_generator(tmp_path / "a.safetensors")
    assert loaded.config == generator.config
    source, target = scene(people)
    with torch.no_grad():
        assert torch.equal(loaded(source, target), generator(source, target))


def test_skips_and_features_have_the_shapes_of_a_u_net(people):
    generator = make()
    source, target = scene(people)
    with torch.no_grad():
        found = generator.paint(source.image, generator.guide(source.pose, target, (48, 24)))
    sizes = [(48 >> level, 24 >> level) for level in range(4)]
    widths = SMALL.encoder_widths
    for stream in (found.source, found.target):
        assert [tuple(f.shape[1:]) for f in stream] == [
            (width, *size) for width, size in zip(widths, sizes, strict=True)
        ]
    assert [tuple(f.shape[1:]) for f in found.skips] == [
        (2 * width, *size) for width, size in zip(widths[:-1], sizes[:-1], strict=True)
    ]
    assert [tuple(f.shape[1:]) for f in found.decoder] == [
        (width, *size)
        for width, size in zip(SMALL.decoder_widths, reversed(sizes[:-1]), strict=True)
    ]


@pytest.mark.parametrize("form", FORMS)
def test_an_encoded_source_answers_as_its_photo_does(form, people):
    generator = make(**FORMS[form])
    source, target = scene(people)
    with torch.no_grad():
        wanted = generator(source, target)
        assert torch.equal(generator(generator.encode(source), target), wanted)
        one = View(source.image[:1], source.pose[:1])
        found = generator(generator.encode(one), target)
        repeated = View(one.image.repeat(len(target), 1, 1, 1), Pose.cat([one.pose] * len(target)))
        torch.testing.assert_close(found, generator(repeated, target), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"decoder_widths": (8, 6)}, "4 encoder levels need 3 decoder blocks, got 2"),
        ({"streams": 1}, "warp must be none"),
        ({"blend": True, "warp": "none"}, "warp must be parts, global or learned"),
        ({"refine": True, "warp": "global"}, "warp must be parts, got global"),
        ({"refine": True, "warp": "learned"}, "warp must be parts, got learned"),
        ({"refine": True, "interpolation": "nearest"}, "interpolation must be bilinear"),
        ({"warp": "learned", "interpolation": "nearest"}, "interpolation must be bilinear"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(SMALL, **changes)


def test_the_smallest_image_whose_bottleneck_is_one_pixel_runs(people):
    for upsampling in ("transposed", "resize"):
        generator = make(upsampling=upsampling).train()
        side = generator.config.stride
        poses = [people(2, size=(side, side), seed=seed) for seed in (0, 1)]
        picture = generator(View(torch.rand(2, 3, side, side) * 2 - 1, poses[0]), poses[1])
        assert picture.shape == (2, 3, side, side)
        assert picture.isfinite().all()


def test_layers_over_the_painted_scene_are_the_picture(layered_weights, people):
    generator, _ = load_generator(layered_weights)
    source = View(torch.rand(2, 3, 160, 80) * 2 - 1, people(2, (160, 80)))
    with torch.no_grad():
        layers = generator.layers(source, people(2, (160, 80), seed=1), (90, 45))
    assert layers.over(layers.scene).equal(layers.picture)
    by_hand = layers.visible * layers.copy + (1 - layers.visible) * layers.paint
    assert layers.person.equal(by_hand)
    white = torch.ones(1, 3, 90, 45)
    expected = layers.matte * by_hand + 1 - layers.matte
    torch.testing.assert_close(layers.over(white), expected)


def test_the_matte_of_a_photo_is_the_one_of_its_fields(layered_weights, people):
    generator, _ = load_generator(layered_weights)
    source = View(torch.rand(1, 3, 160, 80) * 2 - 1, people(1, (160, 80)))
    with torch.no_grad():
        layers = generator.layers(source, people(1, (160, 80), seed=1))
        matte = generator.source_matte(source)
    torch.testing.assert_close(matte, torch.sigmoid(layers.fields.source_matte))
