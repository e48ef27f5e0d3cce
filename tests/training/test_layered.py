"""Training with layers: what is known of rendered people, photos of several sizes, and both."""

import inspect
import json
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import MixedBatches, PairBatches
from deformgan.errors import InputError
from deformgan.losses import l1_loss
from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import Fields, Layers, LayersConfig, resize
from deformgan.pair import Pair, Truth, View
from deformgan.part_field import own_places
from deformgan.pose import Pose
from deformgan.training.checkpoints import checkpoints
from deformgan.training.compared import Compared
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.engine import _means
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.loop import train
from deformgan.training.step import (
    field_error,
    fields_terms,
    generator_terms,
    layers_terms,
    train_step,
)

CPU = torch.device("cpu")
LARGE, SMALL = (64, 32), (32, 16)
WEIGHTS = LossWeights(
    adversarial=0.5, l1=10.0, ssim=2.0, flow=0.2, visible=1.0, matte=1.5, planes=4.0
)
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8),
        decoder_widths=(8, 6),
        warped_levels=2,
        heatmap_sigma=2.0,
        upsampling="resize",
        blend=True,
        layers=LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(6, 4)),
    ),
    discriminator=DiscriminatorConfig(
        widths=(4, 6), heatmap_sigma=2.0, rows=32, fine_widths=(4, 6)
    ),
    weights=WEIGHTS,
    batch_size=2,
    steps=6,
    learning_rate=1e-3,
    ema_decay=0.5,
    gradient_clip=50.0,
    flip=True,
    log_every=1,
    save_every=3,
)
FIELDS_ALONE = replace(
    CONFIG,
    weights=LossWeights(adversarial=0.0, flow=0.2, visible=1.0, matte=1.0),
    trainable=("field.", "look."),
    learning_rate=1e-2,
    gradient_clip=1.0,
)
PICTURE = {"adversarial", "l1", "ssim", "discriminator", "discriminator_gradient"}
PICTURE |= {"generator_gradient"}
KNOWN = {"flow", "visible", "matte", "visible_fine", "matte_fine", "planes"}


def truth_of(target, stride=2, shift=(3.0, -2.0)):
    """A block of a person who is shifted; of its lower half the source shows another surface."""
    batch, _, height, width = target.image.shape
    own = own_places((height, width), target.image)
    known = torch.zeros(batch, height, width, dtype=torch.bool)
    known[:, height // 4 : -height // 4, width // 4 : -width // 4] = True
    visible = known & (own[1] < height / 2)
    body = known.clone()
    body[:, height // 8 : height // 4, width // 4 : -width // 4] = True  # without a match
    field = (own + torch.tensor(shift)[:, None, None]) * known[:, None]
    matte = body[:, None].float()
    return Truth(
        field[:, :, ::stride, ::stride],
        known[:, ::stride, ::stride],
        visible[:, ::stride, ::stride],
        body[:, ::stride, ::stride],
        matte,
        matte.flip(-2),
        -target.image.flip(-1),
        stride,
    )


def pair_of(people, size=LARGE, known=True, stride=2, smooth=False):
    images = torch.rand(2, 2, 3, *((2, 1) if smooth else size)) * 2 - 1
    views = [
        View(resize(image, size), people(2, size, seed=seed, hidden=0.1))
        for seed, image in enumerate(images)
    ]
    return Pair(*views, truth_of(views[1], stride) if known else None)


def step_of(gan, pair, config, step=0):
    return train_step(open_fabric(CPU), gan, [pair], None, config, step)


def gradient(network, name):
    found = network.get_parameter(name).grad
    assert found is not None
    return found


def random_fields(size=SMALL, batch=2):
    own = own_places(size, torch.zeros(()))
    return Fields(
        own.expand(batch, 2, *size),
        own + torch.randn(batch, 2, *size),
        *torch.randn(3, batch, 1, *size),
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("own_size", [LARGE, SMALL, (128, 64), (32, 32)])
def test_a_field_s_error_is_measured_in_its_own_pixels_where_the_truth_is(own_size, stride, people):
    # Constant ways, so that a resize in slow loops needs no neighbours.
    truth = pair_of(people, stride=stride).truth
    way = torch.tensor([2.0, -1.0])
    field = (own_places(own_size, torch.zeros(())) + way[:, None, None]).expand(2, 2, *own_size)
    found = field_error(field, truth, LARGE)
    assert found.shape == truth.matched.shape
    scale = own_size[1] / LARGE[1], own_size[0] / LARGE[0]
    for row in range(0, found.shape[1], 5):
        for column in range(0, found.shape[2], 3):
            if not truth.matched[0, row, column]:
                continue
            off = []
            for axis, place in ((0, column * stride), (1, row * stride)):
                mine = (place + 0.5) * scale[axis] - 0.5 + way[axis].item()
                theirs = truth.source_from_target[0, axis, row, column].item()
                off.append(mine - ((theirs + 0.5) * scale[axis] - 0.5))
            wanted = (off[0] ** 2 + off[1] ** 2) ** 0.5
            assert found[0, row, column].item() == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_true_field_has_no_error_and_a_finite_gradient(stride, people):
    truth = pair_of(people, stride=stride).truth
    field = own_places(LARGE, torch.zeros(())) + torch.tensor([3.0, -2.0])[:, None, None]
    field = field.expand(2, 2, *LARGE).clone().requires_grad_()
    error = field_error(field, truth, LARGE)
    assert (error * truth.matched).max() < 1e-5
    (found,) = torch.autograd.grad(error.sum(), field)
    assert found.isfinite().all()


@pytest.mark.parametrize("stride", [1, 2])
def test_terms_of_fields_are_their_definitions_in_slow_loops(stride, people):
    pair, fields = pair_of(people, stride=stride), random_fields()
    truth = pair.truth
    terms = fields_terms(fields, pair, CONFIG)
    assert set(terms) == {"flow", "visible", "matte"}
    error = field_error(fields.source_from_target, truth, LARGE)
    large = {
        name: F.interpolate(getattr(fields, name), LARGE, mode="bilinear")[:, 0]
        for name in ("visible", "matte", "source_matte")
    }
    flow = counted = visible = bodies = 0.0
    for item in range(2):
        for row in range(truth.body.shape[1]):
            for column in range(truth.body.shape[2]):
                place = item, row, column
                if truth.matched[place]:
                    flow += (error[place].item() ** 2 + 0.01) ** 0.5
                    counted += 1
                if truth.body[place]:
                    logit = large["visible"][item, row * stride, column * stride]
                    sign = 1 if truth.visible[place] else -1
                    visible += F.softplus(-sign * logit).item()
                    bodies += 1
    assert terms["flow"].item() == pytest.approx(0.2 * flow / counted, rel=1e-4)
    assert terms["visible"].item() == pytest.approx(visible / bodies, rel=1e-4)
    mattes = 0.0
    for name, wanted in (("matte", truth.matte), ("source_matte", truth.source_matte)):
        share = torch.sigmoid(large[name]).double()
        loss = -(wanted[:, 0] * share.log() + (1 - wanted[:, 0]) * (1 - share).log())
        mattes += loss.mean().item()
    assert terms["matte"].item() == pytest.approx(1.5 * mattes / 2, rel=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_terms_of_layers_are_their_definitions_in_slow_loops(stride, people):
    pair = pair_of(people, stride=stride)
    truth = pair.truth
    planes = torch.rand(4, 2, 3, *LARGE) * 2 - 1
    logits = torch.randn(2, 2, *LARGE)
    logits[0, 0, 0, 0] = -200.0  # where a logarithm would be infinite
    logits[1, 1, 0, 0] = 200.0
    layers = Layers(*planes, *torch.rand(2, 2, 1, *LARGE), logits, random_fields())
    terms = layers_terms(layers, pair, CONFIG)
    visible = bodies = paint = inside = 0.0
    for item in range(2):
        for row in range(0, LARGE[0], stride):
            for column in range(0, LARGE[1], stride):
                place = item, row // stride, column // stride
                if truth.body[place]:
                    logit = layers.logits[item, 0, row, column].double()
                    visible -= F.logsigmoid(logit if truth.visible[place] else -logit).item()
                    bodies += 1
    for item in range(2):
        for row in range(LARGE[0]):
            for column in range(LARGE[1]):
                if truth.matte[item, 0, row, column] > 0.99:
                    off = layers.paint[item, :, row, column]
                    off = off - pair.target.image[item, :, row, column]
                    paint += off.abs().sum().item()
                    inside += 3
    logit, wanted = layers.logits[:, 1:].double(), truth.matte.double()
    entropy = -(wanted * F.logsigmoid(logit) + (1 - wanted) * F.logsigmoid(-logit)).mean()
    scene = l1_loss(layers.scene, truth.scene)
    assert set(terms) == {"visible_fine", "matte_fine", "planes"}
    assert terms["visible_fine"].item() == pytest.approx(visible / bodies, rel=1e-4)
    assert terms["matte_fine"].item() == pytest.approx(1.5 * entropy.item(), rel=1e-4)
    assert terms["planes"].item() == pytest.approx(4 * (paint / inside + scene.item()), rel=1e-4)


@pytest.mark.parametrize("name", ["flow", "visible", "matte", "planes"])
def test_a_truth_of_weight_0_is_left_out(name, people):
    pair = pair_of(people)
    config = replace(CONFIG, weights=replace(WEIGHTS, **{name: 0.0}))
    planes, shares = torch.rand(4, 2, 3, *LARGE), torch.rand(2, 2, 1, *LARGE)
    layers = Layers(*planes, *shares, torch.randn(2, 2, *LARGE), random_fields())
    terms = fields_terms(layers.fields, pair, config) | layers_terms(layers, pair, config)
    assert set(terms) == {term for term in KNOWN if not term.startswith(name)}


def test_where_nothing_is_matched_and_nobody_is_seen_terms_and_gradients_are_finite(people):
    pair = pair_of(people)
    truth = pair.truth
    nothing = torch.zeros_like(truth.body)
    empty = replace(
        truth,
        source_from_target=torch.zeros_like(truth.source_from_target),
        matched=nothing,
        visible=nothing,
        body=nothing,
        matte=torch.zeros_like(truth.matte),
        source_matte=torch.zeros_like(truth.matte),
    )
    for config in (CONFIG, FIELDS_ALONE):
        gan = Gan.create(config, open_fabric(CPU))
        terms = step_of(gan, replace(pair, truth=empty), config)
        assert all(term.isfinite() for term in terms.values())
        assert terms["flow"] == terms["visible"] == 0
        for parameter in gan.generator.network.parameters():
            assert parameter.isfinite().all()
            assert parameter.grad is None or parameter.grad.isfinite().all()


def test_a_step_has_the_terms_of_what_is_known(people):
    gan = Gan.create(CONFIG, open_fabric(CPU))
    assert set(step_of(gan, pair_of(people), CONFIG)) == PICTURE | KNOWN
    assert set(step_of(gan, pair_of(people, known=False), CONFIG)) == PICTURE
    assert set(step_of(gan, pair_of(people, SMALL, known=False), CONFIG)) == PICTURE
    alone = Gan.create(FIELDS_ALONE, open_fabric(CPU))
    terms = step_of(alone, pair_of(people), FIELDS_ALONE)
    assert set(terms) == {"flow", "visible", "matte", "generator_gradient"}


def test_opacities_get_gradients_from_rendered_people_only(people):
    for known in (False, True):
        gan = Gan.create(CONFIG, open_fabric(CPU))
        network = gan.generator.network
        with torch.no_grad():  # visible: elsewhere pictures teach the field nothing
            network.get_parameter("field.head.2.bias")[8:12] = 6.0
        step_of(gan, pair_of(people, known=known), CONFIG)
        field, detail = (
            gradient(network, f"{name}.weight") for name in ("field.head.2", "detail.leave")
        )
        assert field[8:].any() == detail[6:].any() == known
        assert field[:8].any()
        assert detail[:6].any()


def test_small_images_teach_the_judge_of_small_patches_nothing(people):
    gan = Gan.create(CONFIG, open_fabric(CPU))
    judge = gan.discriminator.network
    assert isinstance(judge, Discriminator)
    before = [value.detach().clone() for value in judge.fine.parameters()]
    step_of(gan, pair_of(people, SMALL, known=False), CONFIG)
    assert all(map(torch.equal, before, judge.fine.parameters()))
    step_of(gan, pair_of(people, LARGE, known=False), CONFIG)
    assert not any(map(torch.equal, before, judge.fine.parameters()))


def test_only_fields_learn_where_only_they_are_taught(people):
    gan = Gan.create(FIELDS_ALONE, open_fabric(CPU))
    network = gan.generator.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    judge = [value.clone() for value in gan.discriminator.network.parameters()]
    for step in range(2):  # in the first, what comes before the last layers gets no gradient yet
        step_of(gan, pair_of(people), FIELDS_ALONE, step)
    for name, value in network.state_dict().items():
        changed = not torch.equal(value, before[name])
        assert changed == name.startswith(("field.", "look.")), name
    assert all(map(torch.equal, judge, gan.discriminator.network.parameters()))


TRUTH = replace(CONFIG, weights=replace(WEIGHTS, adversarial=0.1, l1=0.0, ssim=0.0))


@pytest.mark.parametrize("config", [TRUTH, FIELDS_ALONE], ids=["all", "fields alone"])
def test_thirty_steps_on_one_batch_bring_every_truth_nearer(config, people):
    config = replace(config, learning_rate=2e-3, betas=(0.9, 0.99))
    pair = pair_of(people, SMALL, stride=1, smooth=True)
    gan = Gan.create(config, open_fabric(CPU))
    terms = [step_of(gan, pair, config, step) for step in range(30)]
    for name in KNOWN & terms[0].keys():
        values = [term[name].item() for term in terms]
        assert max(values[-3:]) < 0.9 * values[0], (name, values)
    # Poses say another thing than the truth: the network corrects it.
    assert terms[-1]["flow"] < 0.7 * terms[0]["flow"]


def test_larger_pictures_are_compared_at_the_network_s_rows(people):
    config = replace(CONFIG, weights=LossWeights(adversarial=0.0, l1=2.0))
    pair, generated = pair_of(people), torch.rand(2, 3, *LARGE)
    terms = generator_terms(Compared.of(pair.target, generated, None, config), (), config)
    small = [F.avg_pool2d(image, 2) for image in (generated, pair.target.image)]
    torch.testing.assert_close(terms["l1"], 2 * l1_loss(*small))
    small_pair = Pair(pair.source, View(small[1], pair.target.pose))
    again = generator_terms(Compared.of(small_pair.target, small[0], None, config), (), config)
    torch.testing.assert_close(again["l1"], terms["l1"])


def test_fields_alone_are_not_taught_by_photos(people):
    gan = Gan.create(FIELDS_ALONE, open_fabric(CPU))
    with pytest.raises(InputError, match="these photos have no known truth"):
        step_of(gan, pair_of(people, known=False), FIELDS_ALONE)


def test_weights_that_photos_have_no_use_for_are_refused_with_photos_alone(people):
    config = replace(CONFIG, weights=LossWeights(adversarial=0.0, planes=1.0))
    gan = Gan.create(config, open_fabric(CPU))
    assert "planes" in step_of(gan, pair_of(people), config)
    with pytest.raises(InputError, match="which these photos lack"):
        step_of(gan, pair_of(people, known=False), config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"generator": replace(CONFIG.generator, layers=None)}, "flow and visible and matte"),
        ({"shares": (0.5, 0.0)}, "shares must be positive"),
        ({"shares": (float("inf"),)}, "shares must be positive"),
        (
            {
                "weights": FIELDS_ALONE.weights,
                "generator": replace(
                    CONFIG.generator, layers=replace(CONFIG.generator.layers, correction=False)
                ),
            },
            "set layers.correction",
        ),
    ],
)
def test_a_run_that_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        inspect.unwrap(TrainConfig.__init__)(
            TrainConfig.__new__(TrainConfig), **vars(CONFIG) | changes
        )


def test_means_are_over_the_steps_that_have_a_term():
    one, two, three = (torch.tensor(float(value)) for value in (1, 2, 6))
    seen = [{"a": one, "b": two}, {"a": three}, {"c": three, "a": two}]
    assert _means(open_fabric(CPU), seen) == {"a": 3.0, "b": 2.0, "c": 6.0}


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor


class Rendered(PairBatches):
    """Batches of whose people something is known."""

    def __getitem__(self, step):
        pair = super().__getitem__(step)
        return replace(pair, truth=truth_of(pair.target))


@pytest.fixture
def batches(people) -> MixedBatches:
    """Large photos, small photos, and large rendered people, by turns."""
    kinds = []
    for kind, size, seed in (
        (PairBatches, LARGE, 1),
        (PairBatches, SMALL, 2),
        (Rendered, LARGE, 3),
    ):
        random = torch.Generator().manual_seed(seed)
        images = torch.randint(0, 256, (4, 3, *size), generator=random, dtype=torch.uint8)
        pairs = torch.tensor([(i, j) for i in range(4) for j in range(4) if i != j])
        kinds.append(kind(Images(images, people(4, size, seed=seed), pairs), 2, flip=True))
    return MixedBatches(kinds, [0.4, 0.3, 0.3])


@pytest.fixture
def run(batches, tmp_path):
    """Return a function that trains into a folder."""

    def start(folder, config=CONFIG, resume=False, **changes):
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        train(
            replace(config, **changes),
            batches,
            out,
            fabric=open_fabric(CPU),
            features=None,
            samples=batches[0],
            metadata={},
            resume=resume,
            report=lambda progress: None,
        )
        return out

    return start


def assert_same(one, other, path=""):
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same(first, second, f"{path}.{place}")
    elif isinstance(one, Tensor):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def test_a_run_of_mixed_sizes_that_is_resumed_equals_an_unbroken_one_to_the_bit(run, batches):
    unbroken = run("unbroken")
    run("broken", steps=3)
    broken = run("broken", resume=True)
    ours, theirs = (
        torch.load(checkpoints(out)[-1], weights_only=True) for out in (broken, unbroken)
    )
    assert_same(ours, theirs)
    result, _ = load_generator(broken / "generator.safetensors")
    assert result.config == CONFIG.generator
    lines = [json.loads(line) for line in (broken / "metrics.jsonl").read_text().splitlines()]
    for step, line in enumerate(lines):
        wanted = PICTURE | (KNOWN if batches[step].truth is not None else set())
        assert line.keys() - {"step", "samples_per_second"} == wanted
    sizes = {tuple(batches[step].source.image.shape[2:]) for step in range(CONFIG.steps)}
    assert sizes == {LARGE, SMALL}
    assert {line.keys() >= KNOWN for line in lines} == {True, False}
    assert list((broken / "samples").iterdir())


def test_a_run_of_other_layers_or_shares_is_not_resumed(run):
    run("run", steps=1)
    layers = replace(CONFIG.generator.layers, rows=64)
    for changes in (
        {"generator": replace(CONFIG.generator, layers=layers)},
        {"shares": (1.0, 2.0)},
    ):
        with pytest.raises(InputError, match=f"other settings .{next(iter(changes))}"):
            run("run", resume=True, **changes)


def test_a_run_in_bfloat16_has_finite_terms_near_those_in_float32(people):
    found = []
    for precision in ("float32", "bfloat16"):
        config = replace(CONFIG, precision=precision)
        gan = Gan.create(config, open_fabric(CPU))
        found.append(step_of(gan, pair_of(people), config))
    for name in KNOWN:
        torch.testing.assert_close(found[1][name], found[0][name], rtol=0.05, atol=0.02)
