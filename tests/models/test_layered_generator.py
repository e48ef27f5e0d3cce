"""The layered generator: what its picture is made of, at any size, and what may learn from it."""

import inspect
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from deformgan.models.field_network import FEATURES
from deformgan.models.generator import Encoded, Generator, GeneratorConfig
from deformgan.models.layers import Fields, Layers, LayersConfig, resize, resize_pose
from deformgan.pair import View
from deformgan.part_field import own_places, part_distances, part_field
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

TINY = LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(6, 4))
SMALL = GeneratorConfig(
    encoder_widths=(4, 6, 8, 8),
    decoder_widths=(8, 6, 4),
    warped_levels=3,
    heatmap_sigma=2.0,
    upsampling="resize",
    blend=True,
    layers=TINY,
)
# As deep as the shipped ones: at 256x96 their levels have 48, 24, 12, 6, 3 and 1 columns.
DEEP = replace(
    SMALL,
    encoder_widths=(4, 4, 4, 8, 8, 8),
    decoder_widths=(8, 8, 8, 4, 4),
    warped_levels=4,
    layers=replace(TINY, rows=128, field_widths=(8, 8, 8, 8, 16)),
)
SIZES = [(64, 32), (32, 16), (128, 64), (64, 24), (48, 40), (50, 31)]


def make(config=SMALL, **changes):
    torch.manual_seed(3)
    layers = replace(config.layers, **changes)
    return awake(Generator(replace(config, layers=layers)).eval())


def awake(generator):
    """A generator whose corrections and details are no longer those that it starts with."""
    layers = [generator.detail.leave]
    if hasattr(generator, "field"):
        layers += [generator.field.guess, generator.field.head[-1]]
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=0.05)
    return generator


def scene(people, batch=2, size=(64, 32), hidden=0.0):
    source = View(torch.rand(batch, 3, *size) * 2 - 1, people(batch, size, hidden=hidden))
    return source, people(batch, size, seed=1, hidden=hidden)


def assert_made_of_its_layers(layers):
    for item in range(len(layers.picture)):
        visible, matte = layers.visible[item], layers.matte[item]
        person = visible * layers.copy[item] + (1 - visible) * layers.paint[item]
        wanted = matte * person + (1 - matte) * layers.scene[item]
        torch.testing.assert_close(layers.picture[item], wanted, atol=1e-6, rtol=0)
        for share in (visible, matte):
            assert share.min() >= 0
            assert share.max() <= 1
    for image in (layers.picture, layers.copy, layers.paint, layers.scene):
        assert image.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_its_layers_at_every_size_of_photo_and_picture(size, people):
    generator = make()
    source, target = scene(people, size=size, hidden=0.1)
    with torch.no_grad():
        for asked in (None, (40, 30), (64, 32), (100, 20)):
            layers = generator.layers(source, target, asked)
            wanted = asked or size
            for plane in (layers.picture, layers.copy, layers.paint, layers.scene):
                assert plane.shape == (2, 3, *wanted)
            assert layers.visible.shape == layers.matte.shape == (2, 1, *wanted)
            assert_made_of_its_layers(layers)
        assert torch.equal(generator(source, target), generator.layers(source, target).picture)


@pytest.mark.parametrize("size", [(256, 96), (128, 64), (256, 256), (256, 128), (160, 10)])
def test_a_deep_one_takes_the_shapes_of_all_data_sets_and_narrow_ones(size, people):
    generator = make(DEEP)
    source, target = scene(people, batch=1, size=size)
    with torch.no_grad():
        layers = generator.layers(source, target)
    assert layers.picture.shape == (1, 3, *size)
    assert layers.picture.isfinite().all()
    assert_made_of_its_layers(layers)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((256, 96), (128, 48)),
        ((128, 64), (128, 64)),
        ((256, 256), (128, 128)),
        ((64, 32), (128, 64)),
        ((512, 100), (128, 32)),
        ((1000, 330), (128, 48)),
        ((128, 1), (128, 32)),
        ((100, 200), (128, 256)),
    ],
)
def test_it_looks_at_its_rows_and_at_columns_in_proportion(size, wanted):
    with torch.device("meta"):
        assert Generator(DEEP).network_size(size) == wanted


def test_what_is_wanted_is_what_comes(people):
    generator = make()
    source, target = scene(people, size=(64, 32))
    with torch.no_grad():
        picture, layers, held, fields = (
            generator(source, target, want=want) for want in ("picture", "layers", "held", "fields")
        )
    assert isinstance(layers, Layers)
    assert isinstance(held, Layers)
    assert isinstance(fields, Fields)
    assert torch.equal(picture, layers.picture)
    assert torch.equal(picture, held.picture)
    for name in ("base", "source_from_target", "visible", "matte", "source_matte"):
        assert torch.equal(getattr(fields, name), getattr(layers.fields, name)), name
        assert getattr(fields, name).shape[2:] == (32, 16)


def test_the_field_begins_as_that_of_the_parts_in_the_network_s_pixels(people):
    generator = Generator(SMALL).eval()
    source, target = scene(people, size=(64, 32))
    with torch.no_grad():
        fields = generator(source, target, want="fields")
    poses = [resize_pose(pose, (64, 32), (32, 16)) for pose in (source.pose, target)]
    torch.testing.assert_close(
        fields.base, part_field(*poses, OPENPOSE18, (32, 16)), atol=1e-4, rtol=0
    )
    assert torch.equal(fields.source_from_target, fields.base)
    hard = Generator(replace(SMALL, layers=replace(TINY, base="hard"))).eval()
    with torch.no_grad():
        found = hard(source, target, want="fields").base
    torch.testing.assert_close(
        found, part_field(*poses, OPENPOSE18, (32, 16), 1e-3), atol=1e-4, rtol=0
    )
    assert (found - fields.base).abs().max() > 0.1


def known_fields(size, visible=30.0, matte=30.0, source_matte=30.0):
    """Fields of a person who stays, all of whom is seen."""
    own = own_places(size, torch.zeros(())).expand(1, 2, *size)
    ones = torch.ones(1, 1, *size)
    return Fields(own, own, visible * ones, matte * ones, source_matte * ones)


def compose(generator, photo, fields, size, hold="source"):
    small = resize(photo, (32, 16))
    channels = generator.detail.enter.in_channels - generator.mix.out_channels
    torch.manual_seed(0)
    return generator.compose(photo, small, fields, torch.randn(1, channels, 32, 16), size, hold)


@pytest.mark.parametrize("size", [(64, 32), (96, 48), (40, 30), (128, 64), (32, 16)])
def test_a_person_who_stays_and_is_seen_is_the_photo_at_any_size(size):
    # Of 96x48, three times what the network sees: the copy is as sharp as the photo itself.
    generator, photo = Generator(SMALL).eval(), torch.rand(1, 3, 96, 48) * 2 - 1
    with torch.no_grad():
        layers = compose(generator, photo, known_fields((32, 16)), size)
    wanted = F.interpolate(photo, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(layers.picture, wanted, atol=1e-4, rtol=0)


def test_nothing_is_copied_across_the_source_s_outline():
    generator, photo = make(), torch.rand(1, 3, 64, 32) * 2 - 1
    fields = known_fields((32, 16))
    fields.source_matte[..., 8:] = -40.0
    # The target's pixel x shows the source's pixel 15 - x.
    fields = replace(fields, source_from_target=fields.source_from_target.flip(-1))
    with torch.no_grad():
        layers = compose(generator, photo, fields, (64, 32))
    assert layers.visible[..., :14].max() < 1e-6
    assert layers.visible[..., 18:].min() > 0.9
    torch.testing.assert_close(
        layers.picture[..., :14],
        (layers.matte * layers.paint + (1 - layers.matte) * layers.scene)[..., :14],
        atol=1e-5,
        rtol=0,
    )


def test_a_source_without_anybody_lends_nothing(people):
    generator = make()
    with torch.no_grad():
        generator.look.leave.weight[FEATURES:] = 0
        generator.look.leave.bias[FEATURES:] = -60
        layers = generator.layers(*scene(people))
    assert not (layers.visible > 1e-6).any()


def test_without_copies_all_is_paint(people):
    generator = make(copy=False)
    with torch.no_grad():
        layers = generator.layers(*scene(people))
    assert not layers.visible.any()
    assert_made_of_its_layers(layers)


def test_without_a_correction_the_parts_move_it_alone(people):
    generator = make(correction=False)
    assert not any(name.startswith(("field.", "look.")) for name in generator.state_dict())
    source, target = scene(people, size=(64, 32))
    with torch.no_grad():
        layers = generator.layers(source, target)
    fields = layers.fields
    assert torch.equal(fields.base, fields.source_from_target)
    assert_made_of_its_layers(layers)
    # Person where a part is, scene far from all of them.
    small = resize_pose(target, (64, 32), (32, 16))
    inside = part_distances(small, OPENPOSE18, (32, 16)).amin(dim=1) == 0
    assert (fields.matte[:, 0][inside] == 6).all()
    assert fields.matte.min() == -6


def gradients(generator, people, hold):
    generator.zero_grad()
    source, target = scene(people)
    photo = source.image.requires_grad_()
    layers = generator.layers(View(photo, source.pose), target, hold=hold)
    (layers.picture * torch.randn_like(layers.picture)).sum().backward()
    return photo.grad, {
        name: torch.zeros_like(value) if value.grad is None else value.grad
        for name, value in generator.named_parameters()
    }


@pytest.mark.parametrize("hold", ["source", "all"])
def test_a_held_picture_teaches_copy_field_and_paint_but_no_choice_between_them(hold, people):
    generator = make().train()
    with torch.no_grad():  # all visible: pictures do not bend copies of what is not
        generator.get_parameter("field.head.2.bias")[8:12] = 2.5
    photo, found = gradients(generator, people, hold)
    assert photo.any()
    assert all(value.isfinite().all() for value in found.values())
    for name in (
        "mix.weight",
        "field.guess.weight",
        "look.enter.conv.weight",
        "detail.look.weight",
    ):
        assert found[name].any(), name
    # Of the last layers: field (two planes of four), visible, matte; paint, scene, visible, matte.
    field, visible, matte = found["field.head.2.weight"].split([8, 4, 4])
    paint, scenery, shown, person = found["detail.leave.weight"].split([3, 3, 1, 1])
    for value in (field, paint, scenery, found["head.weight"][:3]):
        assert value.any()
    for value in (visible, matte, shown, person):
        assert value.any() == (hold != "all")
    # The source's outline is learned from its truth alone.
    assert not found["look.leave.weight"][FEATURES:].any()
    assert found["look.leave.weight"][:FEATURES].any()


def test_the_truth_of_a_held_field_still_reaches_what_decides(people):
    generator = make().train()
    layers = generator.layers(*scene(people), hold="all")
    (layers.fields.visible.sum() + layers.fields.matte.sum()).backward()
    assert generator.field.head[2].weight.grad[8:].any()


@pytest.mark.parametrize("changes", [{}, {"copy": False}, {"base": "hard"}, {"correction": False}])
def test_every_form_reaches_all_its_parameters_with_finite_gradients(changes, people):
    generator = make(**changes).train()
    layers = generator.layers(*scene(people, hidden=0.15))
    loss = layers.picture.square().mean() + layers.fields.source_matte.square().mean()
    loss.backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_poses_without_any_joint_give_a_finite_picture_and_gradient(people):
    generator = make().train()
    source, target = scene(people)
    hidden = torch.zeros_like(target.visible)
    nobody = View(source.image, Pose(source.pose.joints, hidden))
    for view, pose in [(nobody, target), (source, Pose(target.joints, hidden))]:
        generator.zero_grad()
        picture = generator(view, pose)
        assert picture.isfinite().all()
        picture.square().mean().backward()
        for parameter in generator.parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all()


def test_where_a_missing_joint_is_said_to_be_does_not_matter(people):
    generator = make()
    source, target = scene(people, batch=4, hidden=0.3)
    moved = [
        Pose(pose.joints.where(pose.visible[..., None], 777.0), pose.visible)
        for pose in (source.pose, target)
    ]
    with torch.no_grad():
        picture = generator(source, target)
        again = generator(View(source.image, moved[0]), moved[1])
    assert torch.equal(again, picture)


def test_an_item_of_a_batch_is_painted_as_if_alone(people):
    generator = make()
    source, target = scene(people, batch=5, hidden=0.1)
    with torch.no_grad():
        together = generator.layers(source, target)
        for place in (0, 3):
            one = View(source.image[[place]], source.pose[[place]])
            alone = generator.layers(one, target[[place]])
            for name in ("picture", "copy", "paint", "scene", "visible", "matte"):
                torch.testing.assert_close(
                    getattr(alone, name)[0], getattr(together, name)[place], atol=1e-3, rtol=0
                )


def test_in_bfloat16_parts_move_with_full_precision_and_pictures_stay_near(people):
    generator = make()
    source, target = scene(people)
    with torch.no_grad():
        wanted = generator.layers(source, target)
        with torch.autocast("cpu", torch.bfloat16):
            layers = generator.layers(source, target)
    assert torch.equal(layers.fields.base, wanted.fields.base)
    for name in ("picture", "copy", "paint", "scene", "visible", "matte"):
        assert getattr(layers, name).dtype == torch.float32, name
    # Noise is read: a twentieth of a pixel more or less is a twentieth of its contrast.
    assert (layers.picture - wanted.picture).abs().mean() < 0.05


def test_a_scene_that_is_given_may_have_the_photo_s_size_or_the_network_s(people):
    torch.manual_seed(3)
    generator = awake(Generator(replace(SMALL, background=True)).eval())
    source, target = scene(people, size=(64, 32))
    large = torch.rand(2, 3, 64, 32) * 2 - 1
    with torch.no_grad():
        picture = generator(source, target, background=large)
        small = generator.layers(source, target, background=F.avg_pool2d(large, 2)).picture
        other = generator(source, target, background=-large)
    torch.testing.assert_close(picture, small)
    assert (picture - other).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blend": False}, "set warp to parts and blend"),
        ({"warp": "global"}, "set warp to parts and blend"),
        ({"upsampling": "transposed"}, "upsampling must be resize"),
        ({"layers": replace(TINY, field_widths=(8,) * 6)}, "layers.rows must be at least 64"),
    ],
)
def test_a_generator_that_layers_do_not_fit_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        inspect.unwrap(GeneratorConfig.__init__)(
            GeneratorConfig.__new__(GeneratorConfig), **vars(SMALL) | changes
        )


def test_without_layers_convolutions_are_drawn_as_with_them():
    torch.manual_seed(1)
    plain = Generator(replace(SMALL, layers=None)).state_dict()
    torch.manual_seed(1)
    layered = Generator(SMALL).state_dict()
    assert all(torch.equal(layered[name], value) for name, value in plain.items())


def assert_same_layers(found, wanted, tolerance):
    for name in ("picture", "copy", "paint", "scene", "visible", "matte", "logits"):
        one, other = getattr(found, name), getattr(wanted, name)
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


def assert_same_features(found, wanted, tolerance):
    both = zip((*found.levels, *found.look), (*wanted.levels, *wanted.look), strict=True)
    for one, other in both:
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("changes", [{}, {"correction": False}])
def test_an_encoded_source_answers_as_its_photo_does(changes, people):
    generator = make(**changes)
    source, target = scene(people, batch=3, hidden=0.1)
    with torch.no_grad():
        encoded = generator.encode(source)
        for size in (None, (100, 50)):
            wanted = generator.layers(source, target, size)
            assert_same_layers(generator.layers(encoded, target, size), wanted, 0)
        assert torch.equal(generator(encoded, target), generator(source, target))


def test_one_photo_answers_many_poses_as_if_repeated_and_is_encoded_once(people):
    generator = make()
    source, target = scene(people, batch=5)
    one = View(source.image[:1], source.pose[:1])
    counts = []
    for layer in (generator.source_encoder[0], generator.look.enter):
        layer.register_forward_hook(lambda _, inputs, __: counts.append(len(inputs[0])))
    with torch.no_grad():
        encoded = generator.encode(one)
        found = generator.layers(encoded, target)
        assert counts == [1, 1]
        copies = Encoded.cat([encoded] * 5)
        assert_same_layers(found, generator.layers(copies, target), 0)
        assert_same_layers(found, generator.layers(one, target), 0)
        # A batch may be rounded differently from one photo.
        repeated = View(one.image.expand(5, -1, -1, -1), Pose.cat([one.pose] * 5))
        again = generator.encode(repeated)
    for level, wanted in zip(
        (*copies.levels, *copies.look), (*again.levels, *again.look), strict=True
    ):
        torch.testing.assert_close(level, wanted, atol=1e-5, rtol=1e-5)
    for level, original in zip(encoded.expand(5).levels, encoded.levels, strict=True):
        assert len(level) == 5
        assert level.data_ptr() == original.data_ptr()  # no copy


@pytest.mark.parametrize("rows", [[2, 0], [1, 1, 2]])
def test_rows_of_encoded_people_answer_as_those_people_do(rows, people):
    generator = make()
    source, target = scene(people, batch=3)
    with torch.no_grad():
        few = generator.encode(source)[rows]
        assert torch.equal(few.photo, source.image[rows])
        assert torch.equal(few.pose.visible, source.pose.visible[rows])
        wanted = generator(View(source.image[rows], source.pose[rows]), target[rows])
        # A batch of others may be rounded differently.
        torch.testing.assert_close(generator(few, target[rows]), wanted, atol=1e-5, rtol=0)


def test_encoded_people_are_a_batch_of_people(people):
    generator = make()
    source, _ = scene(people, batch=3)
    with torch.no_grad():
        encoded = [
            generator.encode(View(source.image[[row]], source.pose[[row]])) for row in range(3)
        ]
        batch, wanted = Encoded.cat(encoded), generator.encode(source)
    assert len(batch) == 3
    assert torch.equal(batch.photo, source.image)
    assert torch.equal(batch.pose.joints, wanted.pose.joints)
    for level, other in zip(
        (*batch.levels, *batch.look), (*wanted.levels, *wanted.look), strict=True
    ):
        torch.testing.assert_close(level, other, atol=1e-5, rtol=1e-5)


def test_photos_and_poses_that_do_not_match_are_refused(people):
    generator = make()
    source, target = scene(people, batch=3)
    with pytest.raises(ValueError, match="3 photos cannot have 2 target poses"):
        generator.layers(source, target[:2])


def test_without_its_scene_a_photo_shows_the_person_and_around_it_colours_of_the_person(people):
    generator = make()
    source, _ = scene(people, size=(32, 16))
    matte = torch.full((2, 1, 32, 16), -40.0)
    matte[..., 8:24, 4:12] = 40.0
    person = generator.without_scene(source.image, matte)
    inside = (matte > 0).expand_as(person)
    torch.testing.assert_close(person[inside], source.image[inside])
    other = torch.where(inside, source.image, torch.rand(2, 3, 32, 16) * 2 - 1)
    torch.testing.assert_close(generator.without_scene(other, matte), person)
    low, high = (
        edge[:, :, None, None] for edge in source.image[inside].view(2, 3, -1).aminmax(dim=2)
    )
    assert ((person >= low - 1e-5) & (person <= high + 1e-5)).all()


def test_colours_of_the_scene_reach_the_painted_person_only_if_the_scene_is_painted(
    people, monkeypatch
):
    generator = make()
    source, _ = scene(people)
    matte = torch.full((2, 1, 32, 16), -40.0)
    matte[..., 8:24, 4:12] = 40.0
    features = torch.zeros(2, FEATURES, 32, 16)
    monkeypatch.setattr(generator, "look_at", lambda *_: (features, matte))
    other = source.image.clone()
    other[:, :, :12] *= -1  # above the person
    with torch.no_grad():
        for painted in (True, False):
            one, two = (
                generator.encode(View(image, source.pose), scene=painted)
                for image in (source.image, other)
            )
            assert not one.image.equal(two.image)
            torch.testing.assert_close(one.person, two.person, atol=1e-5, rtol=0)
            levels = zip(one.levels, two.levels, strict=True)
            away = max((first - second).abs().max().item() for first, second in levels)
            assert away > 0.1 if painted else away < 1e-4
