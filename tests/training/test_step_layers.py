"""What gradients reach in a layered generator, and that every variant of it can learn."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import SHOWN, Fields, LayersConfig
from deformgan.pair import Pair, Truth, View
from deformgan.recipes.ablation import LAYERED_VARIANTS, make_variants
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.step import (
    bend_term,
    copy_opacity,
    fields_terms,
    photo_matte_term,
    train_step,
)

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
        layers=LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(4, 4)),
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6), heatmap_sigma=2.0),
    weights=LossWeights(nearest_neighbour_pixels=0.5, flow=0.2, visible=1.0, matte=1.0, planes=4.0),
    batch_size=2,
)


@pytest.fixture
def pair(people) -> Pair:
    """Smooth random photos."""
    views = []
    for seed in range(2):
        random = torch.Generator().manual_seed(seed)
        image = torch.rand(2, 3, 4, 2, generator=random) * 2 - 1
        image = torch.nn.functional.interpolate(image, SIZE, mode="bilinear")
        views.append(View(image, people(2, SIZE, seed=seed)))
    return Pair(*views)


def with_truth(pair: Pair) -> Pair:
    """Say of the pair what a renderer would: everything is where it was, half of it visible."""
    rows, columns = SIZE
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    body = ((y > 4) & (x > 3) & (x < 12)).expand(2, -1, -1)
    matte = body[:, None].float()
    truth = Truth(
        torch.stack([x, y]).float().expand(2, -1, -1, -1),
        body,
        body & (x < 8),
        body,
        matte,
        matte,
        torch.zeros(2, 3, *SIZE),
    )
    return replace(pair, truth=truth)


@pytest.mark.parametrize(
    ("hold", "reached"),
    [
        ("all", []),
        ("source", ["visible", "matte"]),
        ("nothing", ["visible", "matte", "source_matte"]),
    ],
)
def test_the_pictures_gradient_reaches_what_is_not_held(pair, hold, reached):
    torch.manual_seed(0)
    generator = Generator(CONFIG.generator)
    layers = generator.layers(pair.source, pair.target.pose, hold=hold)
    names = ["visible", "matte", "source_matte"]
    found = torch.autograd.grad(
        layers.picture.square().sum(),
        [getattr(layers.fields, name) for name in names],
        allow_unused=True,
    )
    assert [
        name for name, grad in zip(names, found, strict=True) if grad is not None and grad.any()
    ] == reached


@pytest.mark.parametrize("hold", ["all", "source"])
def test_pictures_bend_the_field_only_where_the_source_shows_the_surface_if_truth_teaches_it(hold):
    torch.manual_seed(0)
    generator = Generator(CONFIG.generator)
    photo = torch.rand(1, 3, *SIZE) * 2 - 1
    y, x = torch.meshgrid(*(torch.arange(float(length)) for length in SIZE), indexing="ij")
    place = (torch.stack([x, y])[None] + 0.25).requires_grad_()
    shown = torch.where(x < SIZE[1] // 2, 6.0, 1.0)[None, None]
    person = torch.full((1, 1, *SIZE), 6.0)
    fields = Fields(place, place, shown, person, person)
    features = torch.rand(1, generator.mix.in_channels - 4, *SIZE)
    picture = generator.compose(photo, photo, fields, features, SIZE, hold).picture
    (bend,) = torch.autograd.grad(picture.square().sum(), place)
    # Columns beside the border are read through its enlarged pixels.
    assert bend[..., : SIZE[1] // 2 - 2].any()
    assert bend[..., SIZE[1] // 2 + 2 :].any() == (hold == "source")


@pytest.mark.parametrize(
    ("known", "taught", "wanted"),
    [
        (True, True, "held"),
        (False, True, "held"),
        (True, False, "free"),
        (False, False, "free"),
    ],
)
def test_opacity_is_held_where_truth_teaches_it(pair, monkeypatch, known, taught, wanted):
    config = CONFIG if taught else make_variants(CONFIG, ["no-truth"])["no-truth"]
    asked = []
    forward = Generator.forward

    def watched(self, source, pose, noise=None, background=None, want="picture"):
        asked.append(want)
        return forward(self, source, pose, noise, background, want)

    monkeypatch.setattr(Generator, "forward", watched)
    step_of(config, with_truth(pair) if known else pair)
    assert asked == [wanted]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("name", LAYERED_VARIANTS)
def test_every_weight_of_every_variant_has_a_gradient_as_processes_that_share_them_need(
    pair, name, known
):
    config = make_variants(CONFIG, [name])[name]
    gan, terms = step_of(config, with_truth(pair) if known else pair)
    assert all(term.isfinite() for term in terms.values())
    assert ("flow" in terms) == (known and config.weights.flow > 0 and name != "paint-only")
    for weight, parameter in gan.generator.network.named_parameters():
        assert parameter.grad is not None, weight
        assert parameter.grad.isfinite().all(), weight


def test_fields_alone_need_a_network_that_corrects_them():
    without = make_variants(CONFIG, ["no-correction"])["no-correction"]
    with pytest.raises(ValueError, match=r"set layers\.correction"):
        replace(without, weights=LossWeights(adversarial=0.0, flow=1.0))


def test_copies_are_taught_by_what_the_source_shows_itself_or_through_the_body(pair):
    truth = with_truth(pair).truth
    assert truth is not None
    for through in (0.0, 0.75):
        opacity = copy_opacity(truth, through)
        assert (opacity[truth.visible] == 1).all()
        assert (opacity[truth.matched & ~truth.visible] == through).all()
        assert (opacity[~truth.matched] == 0).all()
    assert (truth.matched & ~truth.visible).any()


@pytest.mark.parametrize("through", [0.0, 0.75])
def test_no_opacity_has_a_lower_loss_than_the_one_that_is_taught(pair, through):
    config = replace(CONFIG, through=through)
    known = with_truth(pair)
    assert known.truth is not None
    right = torch.logit(copy_opacity(known.truth, through), eps=1e-6)[:, None]

    def loss(logits):
        fields = Fields(*[torch.zeros(2, 2, *SIZE)] * 2, logits, *[torch.zeros(2, 1, *SIZE)] * 2)
        return fields_terms(fields, known, config)["visible"]

    for step in (-0.5, 0.5):
        assert loss(right) < loss(right + step)


def test_bends_are_second_differences_where_the_source_does_not_show_the_surface():
    random = torch.Generator().manual_seed(4)
    place, visible, matte = (
        torch.randn(2, channels, 7, 6, generator=random) * 3 for channels in (2, 1, 1)
    )
    fields = Fields(place, place, visible, matte, matte)
    config = replace(CONFIG, weights=replace(CONFIG.weights, bend=2.0))
    guessed = (matte > 0) & (visible <= SHOWN)
    lengths = []
    for item, row, column in product(range(2), range(7), range(6)):
        for down, right, rows, columns in ((1, 0, 7, 99), (0, 1, 99, 6)):
            inside = 0 < row < rows - 1 if down else 0 < column < columns - 1
            if guessed[item, 0, row, column] and inside:
                at = place[item, :, row, column]
                before = place[item, :, row - down, column - right]
                after = place[item, :, row + down, column + right]
                lengths.append(math.hypot(*(before - 2 * at + after), 0.01))
    assert lengths
    found = bend_term(fields, config).item()
    assert found == pytest.approx(2 * sum(lengths) / len(lengths), rel=1e-5)


def test_an_affine_field_has_no_bends_and_nothing_guessed_costs_nothing():
    config = replace(CONFIG, weights=replace(CONFIG.weights, bend=1.0))
    y, x = torch.meshgrid(*(torch.arange(float(length)) for length in SIZE), indexing="ij")
    place = torch.stack([0.3 * x - 2 * y, x + y])[None]
    low, high = torch.full((1, 1, *SIZE), 1.0), torch.full((1, 1, *SIZE), 6.0)
    assert bend_term(Fields(place, place, low, high, high), config) <= 0.011
    bent = place.square()
    assert bend_term(Fields(bent, bent, low, high, high), config) > 1
    assert bend_term(Fields(bent, bent, high, high, high), config) == 0
    assert bend_term(Fields(bent, bent, low, -high, high), config) == 0


@pytest.mark.parametrize("known", [False, True])
def test_bends_are_a_term_of_photos_and_of_rendered_people(pair, known):
    config = replace(CONFIG, weights=replace(CONFIG.weights, bend=1.0))
    fabric = open_fabric(CPU)
    gan = Gan.create(config, fabric)
    with torch.no_grad():  # the whole picture shows the person
        gan.generator.network.get_parameter("field.head.2.bias")[12:16] = 6.0
    draw = with_truth(pair) if known else pair
    assert train_step(fabric, gan, [draw], None, config, 0)["bend"] > 0


def step_of(config, pair):
    fabric = open_fabric(CPU)
    gan = Gan.create(config, fabric)
    return gan, train_step(fabric, gan, [pair], None, config, 0)


def test_the_matte_of_a_photo_is_compared_with_what_the_photo_itself_shows(pair):
    torch.manual_seed(0)
    config = replace(CONFIG, weights=replace(CONFIG.weights, photo_matte=3.0))
    generator = Generator(config.generator)
    layers = generator.layers(pair.source, pair.target.pose, hold="all")
    wanted = torch.rand(2, 1, *SIZE)
    found = photo_matte_term(layers, wanted, config)
    total = 0.0
    fine = layers.logits[:, 1:]
    assert fine.shape[2:] == SIZE
    for logits in (layers.fields.matte, fine):
        for logit, share in zip(logits.flatten().tolist(), wanted.flatten().tolist(), strict=True):
            chance = 1 / (1 + math.exp(-logit))
            total -= share * math.log(chance) + (1 - share) * math.log(1 - chance)
    assert found.item() == pytest.approx(3.0 * total / (2 * wanted.numel()), rel=1e-4)
    found.backward()
    reached = {n for n, p in generator.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(name.startswith("detail.") for name in reached)
    assert any(name.startswith("field.") for name in reached)


def test_photos_get_the_term_and_rendered_people_the_truth(pair):
    config = replace(CONFIG, weights=replace(CONFIG.weights, photo_matte=1.0))
    photos, rendered = (step_of(config, each)[1] for each in (pair, with_truth(pair)))
    assert "photo_matte" in photos
    assert "matte" not in photos
    assert "photo_matte" not in rendered
    assert "matte" in rendered
    rough = replace(
        config,
        generator=replace(
            config.generator, layers=replace(config.generator.layers, correction=False)
        ),
    )
    assert "photo_matte" not in step_of(rough, pair)[1]
