"""A background as third input: in the networks, in batches, in a run that starts without."""

from dataclasses import replace

import pytest
import torch

from deformgan.checkpoint import load_generator, save_generator
from deformgan.datasets.batches import PairBatches, flip_where
from deformgan.errors import InputError
from deformgan.evaluation.systems import Weights
from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.recipes import RECIPES
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.step import train_step

TINY = GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2)
WITH = replace(TINY, background=True)


def scene(count):
    return torch.rand(count, 3, 128, 64) * 2 - 1


def view(people, count):
    return View(scene(count), people(count))


def test_the_paper_s_generator_has_61_11_million_weights_with_a_background():
    paper = RECIPES["reference-market-full"]().generator
    with torch.device("meta"):
        plain, with_scene = (
            sum(p.numel() for p in Generator(replace(paper, background=it)).parameters())
            for it in (False, True)
        )
    assert with_scene - plain == 64 * 3 * 9
    assert round(with_scene / 1e6, 2) == 61.11


def test_the_discriminator_has_45_channels():
    network = Discriminator(DiscriminatorConfig(background=True))
    assert network.layers[0].in_channels == 45


def test_the_scene_comes_after_the_pose_and_after_the_four_tensors(people):
    generator = Generator(WITH).eval()
    source, target, place = view(people, 2), people(2), scene(2)
    guide = generator.guide(source.pose, target, (128, 64))
    painted = generator.paint(source.image, guide, background=place)
    first = generator.target_encoder[0]
    expected = first(torch.cat([guide.target_heatmaps, place], dim=1))
    assert painted.target[0].equal(expected)
    judge = Discriminator(DiscriminatorConfig(widths=(4, 8), background=True))
    candidate = View(scene(2), target, place)
    maps = [judge.heatmaps(one) for one in (source, candidate)]
    shown = [source.image, maps[0], candidate.image, maps[1], place]
    features = judge.judge(*shown[:4], place)
    assert features[0].equal(judge.layers[0](torch.cat(shown, dim=1)))
    assert judge(source, candidate)[0].equal(features[-1].flatten(1))


def test_a_missing_scene_and_one_too_many_are_refused(people):
    source, target = view(people, 1), people(1)
    with pytest.raises(ValueError, match="takes a background"):
        Generator(WITH)(source, target)
    with pytest.raises(ValueError, match="takes no background"):
        Generator(TINY)(source, target, background=scene(1))
    with pytest.raises(ValueError, match="needs the background of the candidate"):
        Discriminator(DiscriminatorConfig(widths=(4, 8), background=True))(source, source)
    with pytest.raises(ValueError, match="streams must be 2"):
        GeneratorConfig(streams=1, warp="none", background=True)


class Photos:
    """A data set in memory, with scenes."""

    def __init__(self, people, scenes=True):
        random = torch.Generator().manual_seed(0)
        self.poses = people(6)
        self.images = torch.randint(0, 256, (6, 3, 128, 64), dtype=torch.uint8, generator=random)
        self.pairs = torch.tensor([[a, b] for a in range(6) for b in range(6) if a != b])
        if scenes:
            self.backgrounds = 255 - self.images


def test_targets_come_with_their_own_scenes_flipped_with_them(people):
    for storage in ("device", "host"):
        batches = PairBatches(
            Photos(people), 8, flip=True, backgrounds=True, storage=storage, seed=3
        )
        for step in range(3):
            pair = batches[step]
            assert pair.source.background is None
            assert pair.target.background is not None
            torch.testing.assert_close(pair.target.background, -pair.target.image)
    plain = PairBatches(Photos(people), 8, flip=True, seed=3)[2]
    assert plain.target.background is None
    assert plain.target.image.equal(pair.target.image)
    with pytest.raises(InputError, match="has no backgrounds"):
        PairBatches(Photos(people, scenes=False), 8, backgrounds=True)


def test_flipping_takes_the_scene_along(people):
    shown = replace(view(people, 3), background=scene(3))
    flipped = flip_where(torch.tensor([True, False, True]), shown, OPENPOSE18)
    assert shown.background is not None
    assert flipped.background is not None
    assert flipped.background[0].equal(shown.background[0].flip(-1))
    assert flipped.background[1].equal(shown.background[1])


def small(**changes):
    base = RECIPES["pedestrian-background"]()
    return replace(
        base,
        generator=replace(WITH, upsampling="resize", blend=True),
        discriminator=DiscriminatorConfig(widths=(4, 8, 8), local_levels=(1,), background=True),
        weights=replace(base.weights, nearest_neighbour=0.0, nearest_neighbour_pixels=0.5),
        trainable=("target_encoder.0.", "head."),
        batch_size=4,
        precision="float32",
        **changes,
    )


def test_a_run_begins_with_the_pictures_of_the_weights_it_starts_from(people):
    config = small()
    fabric = open_fabric(torch.device("cpu"))
    torch.manual_seed(4)
    before = Generator(replace(config.generator, background=False)).eval()
    gan = Gan.create(config, fabric)
    gan.start_from(before)
    source, target = view(people, 2), people(2)
    with torch.inference_mode():
        plain = before(source, target)
        for network in (gan.generator.network, gan.average.module):
            painted = network.eval()(source, target, background=scene(2))
            torch.testing.assert_close(painted, plain, atol=1e-5, rtol=0)


def test_only_what_is_named_learns_and_the_scene_is_learned_from(people):
    config = small()
    fabric = open_fabric(torch.device("cpu"))
    gan = Gan.create(config, fabric)
    gan.start_from(Generator(replace(config.generator, background=False)))
    network = gan.generator.network
    before = {name: value.clone() for name, value in network.named_parameters()}
    batches = PairBatches(Photos(people), 4, backgrounds=True)
    train_step(fabric, gan, [batches[0]], None, config, 0)
    changed = {name for name, value in network.named_parameters() if not value.equal(before[name])}
    assert changed
    assert all(name.startswith(("target_encoder.0.", "head.")) for name in changed)
    first = dict(network.named_parameters())["target_encoder.0.weight"]
    assert first[:, -3:].abs().sum() > 0  # of the scene, where it began at zero
    with pytest.raises(InputError, match="trainable has 'tail'"):
        Gan.create(replace(config, trainable=("tail",)), fabric)


def test_weights_may_be_what_differs_from_bundled_ones(tmp_path, people):
    base, _ = load_generator("pedestrian-base")
    changed = Generator(base.config)
    changed.load_state_dict(base.state_dict())
    with torch.no_grad():
        changed.head.weight.add_(0.25)
    save_generator(tmp_path / "whole.safetensors", changed, {"size": [128, 64]})
    save_generator(
        tmp_path / "part.safetensors", changed, {"size": [128, 64]}, base="pedestrian-base"
    )
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "part")]
    assert sizes[1] < 0.01 * sizes[0]
    whole, part = (
        load_generator(tmp_path / f"{name}.safetensors")[0].state_dict()
        for name in ("whole", "part")
    )
    assert all(whole[name].equal(part[name]) for name in whole)
    assert whole.keys() == part.keys()


def test_weights_of_another_base_are_refused(tmp_path, monkeypatch):
    base, _ = load_generator("pedestrian-base")
    path = tmp_path / "part.safetensors"
    save_generator(path, base, {"size": [128, 64]}, base="pedestrian-base")
    monkeypatch.setattr("deformgan.checkpoint.weights_sum", lambda weights: "another")
    with pytest.raises(InputError, match="needs another version of the weights 'pedestrian-base'"):
        load_generator(path)


def test_bytes_of_images_are_scaled_as_the_scene_s(people):
    photos = Photos(people)
    pair = PairBatches(photos, 2, backgrounds=True)[0]
    assert pair.target.background is not None
    values = to_float(photos.backgrounds)
    assert all((one == values).flatten(1).all(dim=1).any() for one in pair.target.background)


def test_who_has_no_scene_to_give_refuses_weights_that_need_one(tmp_path):
    path = tmp_path / "scene.safetensors"
    save_generator(path, Generator(WITH), {"size": [128, 64]})
    with pytest.raises(InputError, match="need a background photo"):
        load_generator(path)
    with pytest.raises(InputError, match="use them with the background"):
        Weights.load(str(path))
    assert load_generator(path, background=True)[0].config == WITH
