"""The two halves, run in PyTorch, are the generator, also with the operations of graphs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deformgan.deformable_skip import warp_densely, warp_parts
from deformgan.errors import InputError
from deformgan.export.check import check_cases
from deformgan.export.decode import compose, resize
from deformgan.export.graphs import PoseGraph, SourceGraph, check_exportable
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig, resize_pose, sample_at
from deformgan.models.layers import resize as resize_in_torch
from deformgan.pair import View
from deformgan.pose import Pose

SIZE, FINE = (32, 16), (64, 32)
LAYERS = LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(6, 4))
SMALL = GeneratorConfig(
    encoder_widths=(4, 6, 8),
    decoder_widths=(8, 6),
    warped_levels=2,
    heatmap_sigma=3.0,
    upsampling="resize",
    blend=True,
)
FORMS = {
    "plain": SMALL,
    "paper": replace(SMALL, blend=False, upsampling="transposed"),
    "refined": replace(SMALL, refine=True),
    "average": replace(SMALL, aggregation="average"),
    "background": replace(SMALL, background=True),
    "layers": replace(SMALL, layers=LAYERS),
    "uncorrected layers": replace(SMALL, layers=replace(LAYERS, correction=False, base="hard")),
    "painted layers": replace(SMALL, layers=replace(LAYERS, copy=False)),
}


def make(config: GeneratorConfig) -> Generator:
    torch.manual_seed(2)
    generator = Generator(config).eval()
    for parameter in generator.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    if hasattr(generator, "look"):  # mattes that are certain of some pixels and not of others
        bias = generator.look.leave.bias
        assert bias is not None
        with torch.no_grad():
            bias[-4:] += 2.0
    return generator


def run(generator: Generator, case) -> dict[str, np.ndarray]:
    """Run both graphs in PyTorch."""
    source, pose = SourceGraph(generator, SIZE), PoseGraph(generator, SIZE)
    given = {name: torch.from_numpy(array) for name, array in (case.source | case.target).items()}
    with torch.no_grad():
        kept = source(*(given[name] for name in source.inputs))
        given |= dict(zip(source.outputs, kept, strict=True))
        found = pose(*(given[name] for name in pose.inputs))
    return {name: value.numpy() for name, value in zip(pose.outputs, found, strict=True)}


@pytest.mark.parametrize("exporting", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_both_halves_are_the_generator(form, exporting, monkeypatch):
    generator = make(FORMS[form])
    check_exportable(generator)
    cases = check_cases(generator, SIZE, people=2)
    assert len(cases) == 6
    # With the operations that replace others in exported graphs.
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: exporting)
    for case in cases:
        found = run(generator, case)
        for name, wanted in case.outputs.items():
            np.testing.assert_allclose(found[name], wanted, atol=1e-3, rtol=0, err_msg=name)
        if "picture" not in found:
            picture = compose(found, case.photo, FINE)
            np.testing.assert_allclose(picture, case.picture, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(64, 32), (32, 16), (100, 60), (48, 40), (256, 128), (20, 50)])
@pytest.mark.parametrize("form", ["layers", "uncorrected layers", "painted layers"])
def test_the_numpy_decoder_composes_as_the_generator_does_at_any_size(form, size):
    generator = make(FORMS[form])
    (case, *_) = check_cases(generator, SIZE, people=1)
    given = {name: torch.from_numpy(array) for name, array in (case.source | case.target).items()}
    poses = [
        resize_pose(Pose(given[f"{whose}_joints"], given[f"{whose}_visible"] > 0.5), SIZE, FINE)
        for whose in ("source", "target")
    ]
    with torch.no_grad():
        encoded = generator.encode(View(given["photo"], poses[0]), scene=False)
        wanted = generator.layers(encoded, poses[1], size).picture[0]
    found = compose(run(generator, case), case.photo, size)
    assert found.shape == (3, *size)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(16, 12), (32, 24), (11, 7), (33, 50), (50, 20), (8, 6), (8, 24)])
def test_the_decoder_resizes_as_the_generator_does(size):
    image = torch.rand(3, 16, 12)
    found = resize(image.numpy(), size)
    wanted = resize_in_torch(image[None], size)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("aggregation", ["max", "average"])
def test_parts_that_are_warped_everywhere_are_those_warped_in_their_masks(aggregation):
    features, masks = torch.randn(2, 5, 12, 8), torch.rand(2, 4, 12, 8) < 0.4
    transforms = torch.eye(2, 3) + 0.3 * torch.randn(2, 4, 2, 3)
    found = warp_densely(features, transforms, masks, aggregation)
    wanted = warp_parts(features, transforms, masks, aggregation=aggregation)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_positions_beyond_the_edges_read_them_in_exported_graphs_too(monkeypatch):
    image, field = torch.rand(2, 3, 10, 6), torch.randn(2, 2, 10, 6) * 8
    wanted = sample_at(image, field, (10, 6))
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(sample_at(image, field, (10, 6)), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warp": "global"}, "warp is global, and only parts is supported"),
        ({"warp": "none", "blend": False}, "warp is none"),
        ({"fit": "total"}, "fit is total, and only least_squares"),
        ({"interpolation": "nearest"}, "interpolation is nearest, and only bilinear"),
        ({"convention": "reference"}, "convention is reference"),
        ({"frame": "strided"}, "frame is strided"),
    ],
)
def test_what_has_no_graph_of_fixed_shapes_is_refused(changes, words):
    with torch.device("meta"):
        generator = Generator(replace(SMALL, **changes))
    with pytest.raises(InputError, match=words):
        check_exportable(generator)
