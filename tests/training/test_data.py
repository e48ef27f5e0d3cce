"""The photos of a run: several sets, of one size or of several, in the shares that are asked."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from deformgan.datasets import open_dataset
from deformgan.datasets.batches import MixedBatches, PairBatches
from deformgan.errors import InputError
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pose_formats.annotation_csv import write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.data import mix_datasets, open_data
from deformgan.training.launch import open_fabric

PLAIN = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8),
        decoder_widths=(8, 6),
        warped_levels=2,
        upsampling="resize",
        blend=True,
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6)),
    weights=LossWeights(l1=1.0),
    batch_size=4,
    rendered_share=0.25,
)
LAYERED = replace(
    PLAIN,
    generator=replace(
        PLAIN.generator,
        layers=LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(4, 4)),
    ),
)


@pytest.fixture
def photos(tmp_path, people):
    """Return a function that makes photos of a size in Market-1501's layout."""

    def make(size):
        root = tmp_path / f"{size[0]}x{size[1]}"
        folder = root / "bounding_box_train"
        folder.mkdir(parents=True)
        names = [f"{who:04d}_c1s1_{frame:06d}_00.jpg" for who in (2, 7) for frame in range(3)]
        for name in names:
            Image.new("RGB", (size[1], size[0])).save(folder / name)
        table = Annotations(names, people(len(names), size), source="a test")
        write_annotation_csv(root / "market-annotation-train.csv", table)
        return root

    return make


def mix(config, *folders, rendered=()):
    return open_data(config, folders, open_fabric(torch.device("cpu")), rendered)


def sizes_of(batches, steps=20):
    sizes = [tuple(batches[step].source.image.shape[2:]) for step in range(steps)]
    return {size: sizes.count(size) for size in sizes}


def test_sets_of_one_size_share_every_batch(photos):
    folder = photos((32, 16))
    data = mix(PLAIN, folder, folder, rendered=[folder])
    assert isinstance(data.batches, PairBatches)
    assert sum(data.batches.counts) == 4
    assert min(data.batches.counts) == 1
    shared = mix(replace(PLAIN, shares=(1.0, 3.0)), folder, folder)
    assert isinstance(shared.batches, PairBatches)
    assert shared.batches.counts == [1, 3]


def test_sets_of_several_sizes_take_turns_in_their_shares(photos):
    large, small = photos((64, 32)), photos((32, 16))
    for config in (PLAIN, LAYERED):
        data = mix(replace(config, shares=(3.0, 2.0)), large, small)
        assert isinstance(data.batches, MixedBatches)
        assert sizes_of(data.batches) == {(64, 32): 12, (32, 16): 8}
        assert data.size == ((32, 16) if config.generator.layers else (64, 32))
        assert data.samples.source.image.shape[2:] == (64, 32)
    assert sizes_of(mix(LAYERED, large, small).batches) == {(64, 32): 10, (32, 16): 10}
    # A quarter of the steps is of rendered people, the others are shared by the photos.
    data = mix(replace(LAYERED, shares=(2.0, 1.0)), small, small, rendered=[large])
    assert sizes_of(data.batches) == {(64, 32): 5, (32, 16): 15}
    assert isinstance(data.batches, MixedBatches)
    assert data.batches.counts == [10, 5, 5]


def test_layers_have_one_set_a_batch_also_where_sizes_are_alike(photos):
    folder = photos((32, 16))
    data = mix(LAYERED, folder, folder)
    assert isinstance(data.batches, MixedBatches)
    assert isinstance(mix(LAYERED, folder).batches, PairBatches)


@pytest.mark.parametrize(
    ("shares", "count", "words"),
    [
        ((1.0, 2.0), 1, "There is 1 set of photos, but --shares lists 2; give one share per set"),
        ((1.0,), 2, "There are 2 sets of photos, but --shares lists 1"),
    ],
)
def test_shares_of_another_number_of_sets_are_refused(shares, count, words, photos):
    folder = photos((32, 16))
    for config in (PLAIN, LAYERED):
        with pytest.raises(InputError, match=words):
            mix(replace(config, shares=shares), *[folder] * count)


def test_three_draws_of_several_sizes_are_refused(photos):
    large, small = photos((64, 32)), photos((32, 16))
    with pytest.raises(InputError, match=r"photos of one size.*32x16, 64x32; set --draws 1"):
        mix(replace(PLAIN, draws=3), large, small)
    assert mix(replace(PLAIN, draws=3), small, small)


def test_layers_take_photos_of_any_shape_that_can_be_judged(photos):
    odd = open_dataset(photos((50, 31)))
    fabric = open_fabric(torch.device("cpu"))
    # Of no size of their own, they show people in photos of any size half as wide as high.
    assert mix_datasets(LAYERED, [odd], fabric).size == (32, 16)
    with pytest.raises(InputError, match="multiples of 4"):
        mix_datasets(PLAIN, [odd], fabric)
    deep = replace(LAYERED, discriminator=DiscriminatorConfig(widths=(4, 4, 4, 4), rows=48))
    with pytest.raises(InputError, match=r"50x31; .* judges 48 rows .* needs 34 rows and col"):
        mix_datasets(deep, [odd], fabric)
