"""The blocks of both networks: norms, both ways to double the resolution, noise."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deformgan.models.blocks import (
    Down,
    JointNorm,
    Noise,
    Up,
    halve,
    init_weights,
    make_norm,
    to_bfloat16,
)


def test_joint_norm_matches_the_definition_in_slow_loops():
    norm = JointNorm().double()
    with torch.no_grad():
        norm.weight.fill_(1.7)
        norm.bias.fill_(-0.3)
    features = torch.randn(3, 4, 5, 2, dtype=torch.float64) * 3 + 1
    result = norm(features)
    for item in range(3):
        values = features[item].flatten().tolist()
        mean = sum(values) / len(values)
        deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        wanted = (features[item] - mean) / (deviation + 1e-3) * 1.7 - 0.3
        torch.testing.assert_close(result[item], wanted)


def test_joint_norm_of_an_image_without_variation_has_finite_gradients():
    # Such is the target stream's, where a pose without any joint leaves all its maps empty.
    norm = JointNorm()
    features = torch.zeros(2, 3, 4, 4, requires_grad=True)
    loss = norm(features).square().sum()
    for gradient in torch.autograd.grad(loss, [features, norm.weight, norm.bias]):
        assert gradient.isfinite().all()


def test_joint_norm_s_gradient_is_that_of_finite_differences():
    norm = JointNorm().double()
    features = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (features,))


def test_norms_have_the_parameters_that_the_authors_count():
    counts = {
        norm: sum(parameter.numel() for parameter in make_norm(norm, 12).parameters())
        for norm in ("instance", "joint", None)
    }
    assert counts == {"instance": 24, "joint": 2, None: 0}
    with pytest.raises(ValueError, match="instance, joint or None, got 'batch'"):
        inspect.unwrap(make_norm)("batch", 12)


def test_down_is_leaky_relu_then_convolution_then_norm():
    block = Down(3, 5, "instance")
    features = torch.randn(2, 3, 8, 6)
    leaky = torch.where(features > 0, features, 0.2 * features)
    convolved = F.conv2d(leaky, block.conv.weight, stride=2, padding=1)
    assert block.conv.bias is None
    mean = convolved.mean(dim=(2, 3), keepdim=True)
    variance = convolved.var(dim=(2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(block(features), (convolved - mean) / (variance + 1e-5).sqrt())


def test_up_is_relu_then_transposed_convolution_then_norm():
    block = Up(3, 5, "instance", noisy=False, upsampling="transposed")
    features = torch.randn(2, 3, 4, 6)
    # The definition of a transposed convolution: the gradient of the convolution.
    large = torch.zeros(2, 5, 8, 12, requires_grad=True)
    small = F.conv2d(large, block.conv.get_parameter("weight"), stride=2, padding=1)
    (wanted,) = torch.autograd.grad(small, large, features.relu())
    wanted = F.instance_norm(wanted)
    torch.testing.assert_close(block(features), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_up_doubles_any_size(upsampling):
    block = Up(3, 5, "instance", noisy=True, upsampling=upsampling)
    for size in [(1, 2), (1, 3), (4, 2), (5, 7)]:
        assert block(torch.randn(2, 3, *size)).shape == (2, 5, 2 * size[0], 2 * size[1])


def test_resizing_leaves_no_checkerboard_and_transposing_does():
    # One value everywhere must give one value everywhere, but for the border.
    flat = torch.rand(1, 6, 1, 1).expand(1, 6, 8, 8)
    ripples = {}
    for upsampling in ("transposed", "resize"):
        block = Up(6, 4, "instance", noisy=False, upsampling=upsampling)
        init_weights(block)
        inner = block(flat)[:, :, 4:-4, 4:-4]
        ripples[upsampling] = (inner.amax(dim=(2, 3)) - inner.amin(dim=(2, 3))).max().item()
    assert ripples["resize"] < 1e-4
    assert ripples["transposed"] > 0.1


def test_resizing_moves_evenly_with_its_input():
    # Away from the border a shift by one pixel is a shift by two; with the norm left out, exactly.
    block = Up(3, 4, "instance", noisy=False, upsampling="resize")
    block.norm = nn.Identity()
    assert isinstance(block.conv, nn.Sequential)
    block.conv[1] = nn.Identity()
    features = torch.randn(1, 3, 10, 10)
    one, other = block(features), block(features.roll((1, 2), dims=(2, 3)))
    torch.testing.assert_close(
        other.roll((-2, -4), dims=(2, 3))[:, :, 4:-6, 4:-8], one[:, :, 4:-6, 4:-8]
    )


def noise(seed, place=0, places=1):
    return Noise(torch.Generator().manual_seed(seed), place, places)


def test_noise_drops_half_and_keeps_the_mean():
    block = Up(8, 64, "instance", noisy=True, upsampling="transposed").eval()
    features = torch.randn(2, 8, 8, 8)
    still = block(features)
    noisy = block(features, noise(1))
    kept = noisy != 0
    assert abs(kept.float().mean().item() - 0.5) < 0.02
    torch.testing.assert_close(noisy[kept], 2 * still[kept])


def test_noise_is_repeatable_and_differs_with_its_seed():
    block = Up(8, 4, "instance", noisy=True, upsampling="resize").eval()
    features = torch.randn(2, 8, 4, 4)
    one, again, other = (block(features, noise(s)) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(block(features), block(features))


def test_parts_of_a_batch_get_the_noise_that_they_have_in_the_whole():
    block = Up(4, 4, "instance", noisy=True, upsampling="transposed").eval()
    features = torch.randn(6, 4, 4, 4)
    parts = [block(part, noise(3, i, 3)) for i, part in enumerate(features.chunk(3))]
    torch.testing.assert_close(torch.cat(parts), block(features, noise(3)))


def test_a_block_without_noise_has_none_in_training_either():
    block = Up(8, 4, "instance", noisy=False, upsampling="transposed").train()
    features = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(features), block(features, noise(1)))


def test_initial_weights_are_glorot_s_and_biases_zero():
    layers = [nn.Conv2d(40, 60, 4), nn.ConvTranspose2d(60, 30, 4)]
    init_weights(nn.Sequential(*layers))
    for layer in layers:
        fan_in, fan_out = layer.weight[0].numel(), layer.weight[:, 0].numel()
        bound = (6 / (fan_in + fan_out)) ** 0.5
        assert 0.98 * bound < layer.weight.abs().max().item() <= bound
        assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.05)
        assert not layer.get_parameter("bias").any()


def test_an_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match="transposed or resize, got 'shuffle'"):
        inspect.unwrap(Up.__init__)(Up.__new__(Up), 3, 5, "instance", False, "shuffle")


def test_instance_norm_of_a_single_pixel_is_its_shift():
    norm = make_norm("instance", 3)
    assert isinstance(norm, nn.InstanceNorm2d)
    nn.init.uniform_(norm.bias)
    result = norm(torch.randn(2, 3, 1, 1))
    torch.testing.assert_close(result, norm.bias[None, :, None, None].expand(2, 3, 1, 1))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("columns", [2, 3, 4, 5, 6])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (128, 128), (192, 160)])
def test_narrow_maps_are_halved_in_bfloat16_as_in_float32(inputs, outputs, columns, batch):
    # Without the guard, on processors with AMX, 2 and 3 columns give numbers without any relation.
    conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    features = torch.randn(batch, inputs, 8, columns)
    with torch.no_grad():
        wanted = conv(features)
        with torch.autocast("cpu", torch.bfloat16):
            found = halve(conv, features).float()
    assert (found - wanted).norm() < 0.01 * wanted.norm()


@pytest.mark.parametrize("columns", [2, 3, 4, 6])
def test_narrow_maps_are_halved_with_weights_in_bfloat16_too(columns):
    block = Down(64, 64, "instance")
    features = torch.randn(2, 64, 8, columns)
    with torch.no_grad():
        wanted = block(features)
        to_bfloat16(block)
        found = block(features)
    assert found.dtype == (torch.float32 if columns < 4 else torch.bfloat16)
    assert (found.float() - wanted).norm() < 0.02 * wanted.norm()


def test_converted_to_bfloat16_convolutions_compute_in_it_and_all_else_as_before():
    block = Up(6, 4, "instance", noisy=False, upsampling="resize")
    features = torch.randn(1, 6, 5, 7)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = block(features)
    to_bfloat16(block)
    dtypes = {name: value.dtype for name, value in block.state_dict().items()}
    assert {name: str(dtype) for name, dtype in dtypes.items()} == {
        "conv.0.weight": "torch.bfloat16",
        "conv.1.weight": "torch.float32",
        "conv.1.bias": "torch.float32",
        "conv.4.weight": "torch.bfloat16",
        "norm.weight": "torch.float32",
        "norm.bias": "torch.float32",
    }
    with torch.no_grad():
        found = block(features)
    assert found.dtype == torch.bfloat16
    # The last bit of bfloat16, of values up to 4: layouts differ.
    torch.testing.assert_close(found, wanted, atol=2**-5, rtol=0)


@pytest.mark.parametrize("columns", [2, 3, 8])
def test_halving_keeps_double_precision(columns):
    conv = nn.Conv2d(3, 4, 4, stride=2, padding=1).double()
    features = torch.randn(1, 3, 6, columns, dtype=torch.float64)
    assert torch.equal(halve(conv, features), conv(features))


def test_narrow_maps_are_halved_without_memory_too():
    # As `verify` does for the shapes of the full-size networks.
    with torch.device("meta"):
        block = Down(3, 5, "instance")
        assert block(torch.empty(1, 3, 6, 3)).shape == (1, 5, 3, 1)
