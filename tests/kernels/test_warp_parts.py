"""The fused deformable skip against its PyTorch twin, forward and backward.

Runs on a GPU if there is one, otherwise in Triton's interpreter (see tests/conftest.py).
"""

import pytest
import torch

pytest.importorskip("triton", reason="needs the extra gpu")

from deformgan import deformable_skip
from deformgan.affine import normalize, part_transforms
from deformgan.kernels import warp_parts as module
from deformgan.parts import part_masks
from deformgan.skeletons.openpose18 import OPENPOSE18

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
MODES = [(way, kind) for way in ("bilinear", "nearest") for kind in ("max", "average")]


@pytest.fixture(autouse=True)
def twin_stays_in_pytorch(monkeypatch):
    monkeypatch.setattr(deformable_skip, "find_kernel", lambda *_: None)


def fused(features, transforms, masks, interpolation="bilinear", aggregation="max"):
    """The kernel, called as `deformable_skip.warp_parts` calls it."""
    nearest = interpolation == "nearest"
    if nearest:
        transforms = deformable_skip._pixel_transforms(transforms, *features.shape[2:])
    return module.warp_parts(features, transforms, masks, nearest, aggregation == "average")


def both_ways(function, features, transforms, masks, *options):
    """The result, and the gradients that a fixed upstream gradient leads to."""
    features = features.detach().requires_grad_()
    transforms = transforms.clone().requires_grad_()
    result = function(features, transforms, masks, *options)
    upstream = torch.rand(result.shape, generator=torch.Generator().manual_seed(7)) - 0.3
    result.backward(upstream.to(result))
    gradient = torch.zeros(()) if transforms.grad is None else transforms.grad
    return result.detach(), features.grad, gradient


def inputs(parts=3, share=0.3, shape=(1, 3, 9, 7), dtype=torch.float32):
    batch, _, height, width = shape
    turn = torch.randn(batch, parts, 2, 2) * 0.4 + torch.eye(2)
    transforms = torch.cat([turn, torch.randn(batch, parts, 2, 1) * 0.4], dim=-1)
    masks = torch.rand(batch, parts, height, width) < share
    features = torch.randn(shape)
    return features.to(DEVICE, dtype), transforms.to(DEVICE, dtype), masks.to(DEVICE)


def assert_equal(ours, wanted, tolerance=1e-6):
    """Relative to the largest value: sums of many terms round differently in another order."""
    for one, other in zip(ours, wanted, strict=True):
        scale = max(1.0, other.abs().max().item())
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize(("interpolation", "aggregation"), MODES)
def test_equals_its_twin_forward_and_backward(interpolation, aggregation, share):
    given = inputs(share=share, shape=(2, 3, 9, 7))
    ours = both_ways(fused, *given, interpolation, aggregation)
    wanted = both_ways(deformable_skip.warp_parts, *given, interpolation, aggregation)
    assert wanted[0].abs().sum() > 0
    assert_equal(ours, wanted)


@pytest.mark.parametrize(("interpolation", "aggregation"), MODES)
def test_where_no_part_is_the_skip_is_zero(interpolation, aggregation):
    ours = both_ways(fused, *inputs(share=0.0), interpolation, aggregation)
    assert not any(result.any() for result in ours)


def test_people_who_fill_several_tiles_equal_the_twin(people):
    # Neither the size nor the channels are multiples of a program's.
    size = (21, 19)
    target = people(1, size)
    moved, _ = part_transforms(people(1, size, seed=1), target, OPENPOSE18)
    masks = part_masks(target, OPENPOSE18, size)
    given = torch.randn(1, 9, *size), normalize(moved, size), masks
    given = [tensor.to(DEVICE) for tensor in given]
    ours = both_ways(fused, *given)
    assert_equal(ours, both_ways(deformable_skip.warp_parts, *given))


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_equal_maxima_share_their_gradient_as_in_the_twin(interpolation):
    # Few whole numbers moved by whole pixels: most maxima are shared, many of them with the zeros
    # of masked-out parts and of what is outside.
    size = (8, 8)
    shifts = torch.tensor([(0, 0), (1, 0), (0, 0), (-3, 1), (40, 0)], dtype=torch.float64)
    linear = torch.eye(2, dtype=torch.float64).expand(1, 5, 2, 2)
    transforms = normalize(torch.cat([linear, shifts[None, ..., None]], dim=-1), size).float()
    masks = torch.rand(1, 5, *size) < 0.6
    features = torch.randint(-2, 3, (1, 2, *size)).float()
    given = [tensor.to(DEVICE) for tensor in (features, transforms, masks)]
    ours = both_ways(fused, *given, interpolation)
    wanted = both_ways(deformable_skip.warp_parts, *given, interpolation)
    assert torch.equal(ours[0], wanted[0])
    assert_equal(ours, wanted)


@pytest.mark.parametrize("aggregation", ["max", "average"])
def test_soft_masks_equal_the_twin(aggregation):
    features, transforms, masks = inputs()
    masks = (torch.rand(masks.shape, device=DEVICE) - 0.6).clamp(min=0)
    ours = both_ways(fused, features, transforms, masks, "bilinear", aggregation)
    wanted = both_ways(
        deformable_skip.warp_parts, features, transforms, masks, "bilinear", aggregation
    )
    assert_equal(ours, wanted)


@pytest.mark.parametrize("parts", [15, 31])
def test_many_parts_need_more_bits_and_equal_the_twin(parts):
    given = inputs(parts, share=0.5, shape=(1, 2, 2, 2))
    assert module._bits(parts) == (torch.int32 if parts == 15 else torch.int64)
    assert module._bits(parts - 1) != module._bits(parts)
    assert_equal(both_ways(fused, *given), both_ways(deformable_skip.warp_parts, *given))


def test_bfloat16_equals_the_twin_within_its_rounding():
    features, transforms, masks = inputs(dtype=torch.bfloat16)
    transforms = transforms.float()
    ours = both_ways(fused, features, transforms, masks)
    wanted = both_ways(deformable_skip.warp_parts, features, transforms, masks)
    assert ours[0].dtype == ours[1].dtype == torch.bfloat16
    # One unit of the last place: the interpreter truncates where a GPU rounds.
    assert_equal(ours, wanted, tolerance=2**-7)


def test_float64_equals_the_twin_to_its_precision():
    given = inputs(dtype=torch.float64)
    assert_equal(both_ways(fused, *given), both_ways(deformable_skip.warp_parts, *given), 1e-14)


def test_gradients_are_those_of_finite_differences_along_a_direction():
    features, transforms, masks = inputs(dtype=torch.float64)
    _, features_grad, transforms_grad = both_ways(fused, features, transforms, masks)
    upstream = torch.rand(features.shape, generator=torch.Generator().manual_seed(7)) - 0.3
    along = torch.randn_like(features), torch.randn_like(transforms)
    step = 1e-7
    ends = [
        (fused(features + way * along[0], transforms + way * along[1], masks) * upstream.to(DEVICE))
        for way in (step, -step)
    ]
    slope = (ends[0].sum() - ends[1].sum()) / (2 * step)
    wanted = (features_grad * along[0]).sum() + (transforms_grad * along[1]).sum()
    torch.testing.assert_close(slope, wanted, rtol=1e-6, atol=1e-6)


def test_the_memory_format_is_kept_and_does_not_matter():
    features, transforms, masks = inputs()
    last = features.contiguous(memory_format=torch.channels_last)
    ours = both_ways(fused, last, transforms, masks)
    assert ours[0].is_contiguous(memory_format=torch.channels_last)
    assert_equal(ours, both_ways(fused, features, transforms, masks), tolerance=0)


def test_an_upstream_gradient_that_is_one_number_is_read_at_every_pixel():
    features, transforms, masks = inputs()
    gradients = []
    for reduce in (torch.mean, lambda warped: (warped * torch.ones_like(warped)).mean()):
        leaf = features.clone().requires_grad_()
        reduce(fused(leaf, transforms, masks)).backward()
        gradients.append(leaf.grad)
    assert_equal(gradients[:1], gradients[1:], tolerance=0)


def test_features_that_are_not_numbers_are_not_hidden():
    features, transforms, masks = inputs(share=1.0, shape=(2, 1, 2, 2))
    features[0] = torch.nan
    warped = fused(features, torch.eye(2, 3, device=DEVICE).expand_as(transforms), masks)
    assert warped[0].isnan().all()
    assert not warped[1].isnan().any()
