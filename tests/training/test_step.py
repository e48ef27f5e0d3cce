"""train_step: order of updates, inputs of both networks, and loss terms."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.losses import (
    discriminator_loss,
    generator_loss,
    l1_loss,
    l2_loss,
    nearest_neighbour_loss,
    perceptual_loss,
)
from deformgan.metrics.ssim import ssim
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.pair import Pair, View
from deformgan.parts import person_region
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.training.compared import Compared
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric, uses_bfloat16
from deformgan.training.step import generator_terms, noise_of_step, train_step

CPU = torch.device("cpu")
SIZE = (32, 16)
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8),
        decoder_widths=(8, 6),
        warped_levels=2,
        upsampling="resize",
        blend=True,
        heatmap_sigma=2.0,
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6), heatmap_sigma=2.0),
    weights=LossWeights(l1=100.0),
    batch_size=3,
    steps=6,
    ema_decay=0.9,
)
EVERY_TERM = LossWeights(
    adversarial=2.0,
    nearest_neighbour=0.01,
    nearest_neighbour_pixels=0.25,
    l1=3.0,
    l2=5.0,
    perceptual=0.5,
    ssim=7.0,
)


@pytest.fixture(scope="module")
def vgg() -> Vgg19Features:
    """A VGG-19 with random weights, told to be Oxford's."""
    random = torch.Generator().manual_seed(0)
    shapes = {"conv1_1": (64, 3), "conv1_2": (64, 64), "conv2_1": (128, 64)}
    arrays = {}
    for name, (outputs, inputs) in shapes.items():
        deviation = (2 / (9 * inputs)) ** 0.5
        weight = torch.randn(outputs, inputs, 3, 3, generator=random) * deviation
        arrays |= {f"{name}.weight": weight, f"{name}.bias": torch.zeros(outputs)}
    return Vgg19Features.from_arrays(arrays, layers=("conv1_2", "conv2_1"))


@pytest.fixture
def pair(people) -> Pair:
    """Smooth random photos, so that a small network can learn them."""
    return Pair(random_view(people, 0), random_view(people, 1))


def random_view(people, seed):
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(3, 3, 4, 2, generator=random) * 2 - 1
    image = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear")
    return View(image, people(3, SIZE, seed=seed, hidden=0.1))


def networks_of(gan):
    return gan.generator.network, gan.discriminator.network


def gan_of(config):
    return Gan.create(config, open_fabric(CPU))


def step_of(gan, pair, features, config, step=0):
    draws = list(pair) if isinstance(pair, tuple) else [pair]
    return train_step(open_fabric(CPU), gan, draws, features, config, step)


def weights_of(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_a_step_changes_every_weight_of_both_networks_and_reports_finite_terms(pair):
    gan = gan_of(CONFIG)
    before = weights_of(gan.generator.network), weights_of(gan.discriminator.network)
    terms = step_of(gan, pair, None, CONFIG)
    assert set(terms) == {"adversarial", "l1", "discriminator"}
    assert all(term.isfinite() and not term.requires_grad for term in terms.values())
    for network, old in zip(networks_of(gan), before, strict=True):
        for parameter, value in zip(network.parameters(), old, strict=True):
            assert (parameter != value).any()


def test_a_step_is_the_game_in_order(pair):
    # Played again with plain losses and plain Adam.
    gan = gan_of(CONFIG)
    mine = deepcopy(networks_of(gan))
    terms = step_of(gan, pair, None, CONFIG, step=1)

    generator, discriminator = mine
    moves = [
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in mine
    ]
    generated = generator(pair.source, pair.target.pose, noise_of_step(open_fabric(CPU), CONFIG, 1))
    loss = discriminator_loss(
        *discriminator(pair.source, pair.target),
        *discriminator(pair.source, View(generated.detach(), pair.target.pose)),
    )
    loss.backward()
    moves[1].step()
    torch.testing.assert_close(terms["discriminator"], loss.detach())
    told = deepcopy([parameter.grad for parameter in discriminator.parameters()])
    adversarial = generator_loss(*discriminator(pair.source, View(generated, pair.target.pose)))
    l1 = 100 * l1_loss(generated, pair.target.image)
    (adversarial + l1).backward()
    moves[0].step()
    torch.testing.assert_close(terms["adversarial"], adversarial.detach())
    torch.testing.assert_close(terms["l1"], l1.detach())
    for network, other in zip(networks_of(gan), mine, strict=True):
        for parameter, value in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(parameter, value)

    # The generator's move gave the discriminator no gradient, and froze it for that move only.
    for parameter, gradient in zip(gan.discriminator.network.parameters(), told, strict=True):
        assert parameter.requires_grad
        torch.testing.assert_close(parameter.grad, gradient)


def test_each_term_is_its_loss_times_its_weight_and_a_term_of_weight_0_is_left_out(vgg, pair):
    generated, target = torch.rand(3, 3, *SIZE) * 2 - 1, pair.target
    logits = (torch.randn(3, 3), torch.randn(3, 7))
    config = replace(CONFIG, weights=EVERY_TERM, nearest_neighbour_window=5)
    painted, wanted = vgg(generated), vgg(target.image)
    in_bytes = ((image + 1) * 127.5 for image in (generated, target.image))
    expected = {
        "adversarial": 2 * (generator_loss(logits[0]) + generator_loss(logits[1])) / 2,
        "l1": 3 * l1_loss(generated, target.image),
        "l2": 5 * l2_loss(generated, target.image),
        "nearest_neighbour": 0.01
        * nearest_neighbour_loss(painted["conv1_2"], wanted["conv1_2"], 5),
        "nearest_neighbour_pixels": 0.25
        * nearest_neighbour_loss(generated * 127.5, target.image * 127.5, 5),
        "perceptual": 0.5 * perceptual_loss(painted["conv2_1"], wanted["conv2_1"]),
        "ssim": 7 * (1 - ssim(*in_bytes, data_range=torch.full((3,), 255.0)).float().mean()),
    }
    terms = generator_terms(Compared.of(target, generated, vgg, config), logits, config)
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
    for name in expected:
        some = replace(config, weights=replace(EVERY_TERM, **{name: 0.0}))
        terms = generator_terms(Compared.of(target, generated, vgg, some), logits, some)
        assert terms.keys() == expected.keys() - {name}


def test_a_pixel_of_the_person_counts_as_often_as_asked(pair):
    generated, target = torch.rand(3, 3, *SIZE) * 2 - 1, pair.target
    weights = LossWeights(adversarial=0.0, nearest_neighbour_pixels=1.0, person=5.0)
    config = replace(CONFIG, weights=weights)
    terms = generator_terms(Compared.of(target, generated, None, config), (), config)
    distance = nearest_neighbour_loss(
        generated * 127.5, target.image * 127.5, CONFIG.nearest_neighbour_window, "none"
    )
    region = person_region(target.pose, OPENPOSE18, SIZE)
    means = []
    for item in range(3):
        total = count = 0.0
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                weight = 5.0 if region[item, row, column] else 1.0
                total += weight * distance[item, row, column].item()
                count += weight
        means.append(total / count)
    assert terms["nearest_neighbour_pixels"].item() == pytest.approx(sum(means) / 3, rel=1e-4)


def test_three_draws_are_three_parts_of_the_game(people):
    # The discriminator is told of the first two draws alone, the generator of the third.
    pairs = [Pair(*(random_view(people, 10 * draw + side) for side in (0, 1))) for draw in range(4)]
    config = replace(CONFIG, draws=3)

    def moved(*draws):
        gan = gan_of(config)
        step_of(gan, draws, None, config)
        return [weights_of(network) for network in networks_of(gan)]

    generator, discriminator = moved(*pairs[:3])
    for place, same in [(0, False), (1, False), (2, True)]:
        changed = [pairs[3] if draw == place else pairs[draw] for draw in range(3)]
        other = moved(*changed)[1]
        assert same == all(map(torch.equal, discriminator, other)), place
    other = moved(pairs[0], pairs[1], pairs[3])[0]
    assert not all(map(torch.equal, generator, other))


def test_clipping_scales_a_large_gradient_down_and_leaves_a_small_one(pair):
    loose, tight = (replace(CONFIG, gradient_clip=clip) for clip in (1e6, 0.5))
    terms = step_of(gan_of(loose), pair, None, loose)
    assert terms["generator_gradient"] > 0.5
    plain, unclipped = gan_of(CONFIG), gan_of(loose)
    step_of(plain, pair, None, CONFIG)
    step_of(unclipped, pair, None, loose)
    one, other = (weights_of(gan.generator.network) for gan in (plain, unclipped))
    assert all(map(torch.equal, one, other))
    clipped = gan_of(tight)
    step_of(clipped, pair, None, tight)
    gradients = [parameter.grad for parameter in clipped.generator.network.parameters()]
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-4)


def test_the_layers_of_vgg_are_those_that_the_terms_look_at():
    assert LossWeights(l1=1.0).vgg_layers == ()
    assert LossWeights(nearest_neighbour=0.01).vgg_layers == ("conv1_2",)
    assert EVERY_TERM.vgg_layers == ("conv1_2", "conv2_1")


def test_a_term_on_features_without_a_network_for_them_is_refused(pair):
    config = replace(CONFIG, weights=LossWeights(nearest_neighbour=0.01))
    with pytest.raises(ValueError, match="conv1_2 of VGG-19"):
        step_of(gan_of(config), pair, None, config)


def test_the_average_follows_its_recursion_and_is_short_at_first(pair):
    config = replace(CONFIG, ema_decay=0.25)
    gan = gan_of(config)
    step_of(gan, pair, None, config)
    expected = weights_of(gan.generator.network)
    for decay in (2 / 11, 0.25, 0.25):  # the second would be 3/12, the third 4/13
        step_of(gan, pair, None, config)
        now = weights_of(gan.generator.network)
        expected = [decay * a + (1 - decay) * b for a, b in zip(expected, now, strict=True)]
    for parameter, value in zip(gan.average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


def test_twenty_steps_on_one_batch_bring_its_photos_nearer(pair, vgg):
    config = replace(
        CONFIG,
        weights=LossWeights(adversarial=0.1, l1=100.0, nearest_neighbour=10.0),
        learning_rate=1e-2,
    )
    gan = gan_of(config)
    terms = [step_of(gan, pair, vgg, config, step) for step in range(20)]
    for name in ("l1", "nearest_neighbour"):
        values = [term[name].item() for term in terms]
        assert max(values[-3:]) < 0.8 * values[0], (name, values)


def test_the_same_seed_makes_the_same_networks_and_another_seed_others():
    one, again = gan_of(CONFIG), gan_of(CONFIG)
    other = gan_of(replace(CONFIG, seed=1))
    for name in ("generator", "discriminator"):
        first, second, third = (weights_of(getattr(p, name).network) for p in (one, again, other))
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert not torch.equal(first[0], third[0])


def test_a_golden_loss(pair, vgg):
    # Numbers of this code on the day the test was written: a change of them is a change of the
    # method, to be explained. Not to the last digit, since convolutions differ between machines.
    config = replace(CONFIG, weights=EVERY_TERM)
    gan = gan_of(config)
    for step in range(3):
        terms = step_of(gan, pair, vgg, config, step)
    found = {name: term.item() for name, term in terms.items()}
    assert found == pytest.approx(
        {
            "adversarial": 1.67631,
            "l1": 1.35524,
            "l2": 1.52784,
            "ssim": 6.69275,
            "nearest_neighbour_pixels": 38.48083,
            "nearest_neighbour": 15.88267,
            "perceptual": 16.04635,
            "discriminator": 1.53363,
        },
        rel=2e-3,
    )


def test_precision_follows_the_configuration_and_auto_the_device():
    assert uses_bfloat16(replace(CONFIG, precision="bfloat16"), CPU)
    assert not uses_bfloat16(replace(CONFIG, precision="float32"), CPU)
    able = torch.cpu.get_capabilities()
    computes = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    assert uses_bfloat16(replace(CONFIG, precision="auto"), CPU) == computes


def test_a_bfloat16_step_stays_near_the_float32_one(pair, vgg):
    results = []
    for precision in ("float32", "bfloat16"):
        config = replace(CONFIG, weights=EVERY_TERM, precision=precision)
        gan = gan_of(config)
        results.append(step_of(gan, pair, vgg, config, 1))
        assert all(
            parameter.dtype == torch.float32 for parameter in gan.generator.network.parameters()
        )
    for name, term in results[1].items():
        torch.testing.assert_close(term, results[0][name], rtol=0.05, atol=0.02)
