"""Gan: what a generator with layers takes over from one without."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from deformgan.errors import InputError
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig, resize_pose
from deformgan.pair import View
from deformgan.part_field import part_field
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric

SMALL = GeneratorConfig(
    encoder_widths=(4, 6, 8, 8),
    decoder_widths=(8, 6, 4),
    warped_levels=3,
    heatmap_sigma=2.0,
    upsampling="resize",
    blend=True,
    layers=LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(6, 4)),
)


def scene(people, batch=2, size=(64, 32)):
    source = View(torch.rand(batch, 3, *size) * 2 - 1, people(batch, size))
    return source, people(batch, size, seed=1)


def gan_of(config):
    plan = TrainConfig("test", config, DiscriminatorConfig(widths=(4, 6)), LossWeights(l1=1.0))
    return Gan.create(plan, open_fabric(torch.device("cpu")))


def test_from_weights_without_layers_it_begins_with_what_their_head_paints_enlarged(people):
    torch.manual_seed(5)
    old = Generator(replace(SMALL, layers=None)).eval()
    gan = gan_of(SMALL)
    gan.start_from(old)
    for network in (gan.generator.network, gan.average.module):
        new = network.state_dict()
        for name, value in old.state_dict().items():
            assert torch.equal(new[name], value), name
    generator = gan.generator.network.eval()
    assert isinstance(generator, Generator)
    source, target = scene(people, size=(64, 32))
    assert SMALL.layers is not None
    outlines = SMALL.layers.decision[1]
    with torch.no_grad():
        layers = generator.layers(source, target)
        # The old network at the size that the new one looks at, the person moved by the field.
        small = F.avg_pool2d(source.image, 2)
        poses = [resize_pose(pose, (64, 32), (32, 16)) for pose in (source.pose, target)]
        features = generator.paint(small, old.guide(*poses, (32, 16))).output.relu()
        field = part_field(*poses, OPENPOSE18, (32, 16))
        grid = (field + 0.5) / torch.tensor([8.0, 16.0])[:, None, None] - 1
        grid = grid.permute(0, 2, 3, 1)
        person = generator.without_scene(small, layers.fields.source_matte)
        moved, there = (
            F.grid_sample(image, grid, padding_mode="border", align_corners=False)
            for image in (person, torch.sigmoid(outlines * layers.fields.source_matte))
        )
        mixed = old.mix(torch.cat([features, moved, there / 4], dim=1)).relu()
        painted = old.head(mixed)[:, :3]
        wanted = torch.tanh(F.interpolate(painted, (64, 32), mode="bilinear"))
    assert not layers.fields.visible.any()  # a half
    assert not layers.fields.matte.any()
    torch.testing.assert_close(layers.paint, wanted, atol=1e-5, rtol=0)
    assert torch.equal(layers.scene, layers.paint)
    torch.testing.assert_close(layers.matte, torch.full_like(layers.matte, 0.5))


def test_weights_of_layers_are_taken_whole_and_other_shapes_refused(people):
    first = Generator(SMALL).eval()
    torch.nn.init.normal_(first.detail.leave.weight, std=0.05)
    gan = gan_of(SMALL)
    gan.start_from(first)
    source, target = scene(people)
    with torch.no_grad():
        assert torch.equal(gan.generator.network.eval()(source, target), first(source, target))
    with pytest.raises(InputError, match="another shape"):
        gan_of(replace(SMALL, encoder_widths=(8, 8, 8, 8))).start_from(first)
