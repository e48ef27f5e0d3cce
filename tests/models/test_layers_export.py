"""What a layered generator adds to the warped skips can be exported: no shape depends on data.

`torch.export` at fixed sizes stands for ONNX, whose converter (onnxscript) is not among our
dependencies. The deformable skip itself is left out: how many pixels its masks cover is data.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deformgan.heatmap import render_heatmaps
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pair import View
from deformgan.part_field import part_distances, part_field
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

NET = (64, 32)
# Operators of which the size of the result, or a number of the program's, is data.
ON_DATA = tuple(
    f"aten.{name}."
    for name in ("nonzero", "item", "_local_scalar_dense", "masked_select", "_unique2")
)


class Part(nn.Module):
    """A part of the way as a network, for `torch.export`."""

    def __init__(self, function, generator: Generator):
        super().__init__()
        self.function, self.generator = function, generator

    def forward(self, *inputs):
        """Run it."""
        return self.function(self.generator, *inputs)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A small one, as if it were trained: nothing that it adds is zero."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        encoder_widths=(4, 6, 8),
        decoder_widths=(8, 6),
        warped_levels=2,
        upsampling="resize",
        blend=True,
        layers=LayersConfig(rows=64, field_widths=(8, 8, 8), detail_widths=(4, 4)),
    )
    generator = Generator(config).eval()
    for weight in generator.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.05)
    return generator


def poses(people, size) -> tuple[Tensor, ...]:
    """Source and target, some joints hidden, as tensors."""
    source, target = (people(2, size, seed=seed, hidden=0.1) for seed in range(2))
    return source.joints, source.visible, target.joints, target.visible


def exported(function, generator, inputs, others):
    """Export, look for sizes that depend on data, and compare on inputs that it has not seen."""
    part = Part(function, generator)
    with torch.no_grad():
        program = torch.export.export(part, inputs).run_decompositions()
        found, expected = program.module()(*others), part(*others)
    assert not program.range_constraints
    for node in program.graph.nodes:
        assert not str(node.target).startswith(ON_DATA), node
        values = node.meta.get("val")
        for value in values if isinstance(values, list | tuple) else [values]:
            if isinstance(value, Tensor):
                assert all(type(length) is int for length in value.shape), node
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-5, rtol=1e-5)
    return {str(node.target) for node in program.graph.nodes}


def guide(_, source_joints, source_visible, target_joints, target_visible):
    source, target = Pose(source_joints, source_visible), Pose(target_joints, target_visible)
    return (
        part_field(source, target, OPENPOSE18, NET),
        part_distances(target, OPENPOSE18, NET),
        render_heatmaps(target, NET),
    )


def paint(size):
    """Make the way from photo, poses and the decoder's features to a picture of some size."""

    def function(generator, photo, features, *joints):
        source, target = Pose(*joints[:2]), Pose(*joints[2:])
        small, *both = generator.at_network_size(View(photo, source), target)
        fields = generator.fields(small, *both)
        layers = generator.compose(photo, small, fields, features, size)
        return layers.picture, layers.visible, layers.matte, fields.source_from_target

    return function


@pytest.mark.slow
def test_a_size_that_depends_on_data_would_be_found(generator):
    with pytest.raises(AssertionError):
        exported(lambda _, values: (values[values > 0],), generator, *[(torch.randn(5),)] * 2)


@pytest.mark.slow
def test_base_distances_and_heat_maps_have_no_size_that_depends_on_data(people, generator):
    one = poses(people, NET)
    other = (one[2], one[3], one[0], one[1])
    operators = exported(guide, generator, one, other)
    assert "aten._softmax.default" in operators


@pytest.mark.slow
@pytest.mark.parametrize("size", [(128, 64), (96, 48)])
def test_fields_and_layers_have_no_size_that_depends_on_data(people, generator, size):
    channels = generator.detail.enter.in_channels - generator.config.encoder_widths[0]
    random = torch.Generator().manual_seed(0)
    photos = [torch.rand(2, 3, *size, generator=random) * 2 - 1 for _ in range(2)]
    features = [torch.randn(2, channels, *NET, generator=random) for _ in range(2)]
    one = poses(people, size)
    both = (one, (one[2], one[3], one[0], one[1]))
    inputs, others = zip(photos, features, strict=True)
    operators = exported(paint(size), generator, (*inputs, *both[0]), (*others, *both[1]))
    assert "aten.grid_sampler_2d.default" in operators
