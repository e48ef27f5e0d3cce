"""The field network: what it begins with, and what it looks at."""

import torch

from deformgan.models.field_network import FEATURES, FieldNetwork, SourceLook
from deformgan.models.layers import own_places

WIDTHS = (8, 8, 16)


def inputs(size=(16, 12), batch=2):
    own = own_places(size, torch.zeros(()))
    base = own + torch.randn(batch, 2, *size)
    half = (size[0] // 2, size[1] // 2)
    return (
        torch.randn(batch, 5, *size),
        base,
        torch.rand(batch, 3, *size),
        torch.randn(batch, FEATURES, *half),
    )


def awake(network):
    for layer in (network.guess, network.head[-1]):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return network


def gradient(network, name):
    found = network.get_parameter(name).grad
    assert found is not None
    return found


def test_a_look_gives_features_of_half_the_size_and_a_matte_of_the_whole():
    look = SourceLook(4, WIDTHS)
    for size in ((32, 16), (16, 12), (24, 20)):
        features, matte = look(torch.randn(2, 4, *size))
        assert features.shape == (2, FEATURES, size[0] // 2, size[1] // 2)
        assert matte.shape == (2, 1, *size)


def test_it_begins_with_the_field_that_it_is_given_to_the_bit():
    network = FieldNetwork(5, WIDTHS)
    network.begin()
    shown, base, photo, features = inputs()
    field, planes = network(shown, base, photo, features)
    assert torch.equal(field, base)
    assert planes.shape == base.shape
    assert not planes.any()
    (field - base - 1).square().sum().backward()
    assert gradient(network, "guess.weight").any()
    assert gradient(network, "head.2.weight")[:8].any()


def test_an_output_of_one_is_a_correction_of_ten_pixels_twice():
    network = FieldNetwork(5, WIDTHS)
    network.begin()
    with torch.no_grad():
        network.get_parameter("guess.bias").copy_(torch.tensor([1.0, 0.0]))
        network.get_parameter("head.2.bias")[4:8] = -1.0  # of the second plane, which is y
    shown, base, photo, features = inputs()
    field, planes = network(shown, base, photo, features)
    wanted = torch.tensor([10.0, -10.0])[:, None, None].expand_as(base)
    torch.testing.assert_close(field - base, wanted, atol=1e-4, rtol=0)
    assert not planes.any()


def test_it_looks_at_all_that_it_is_given():
    network = awake(FieldNetwork(5, WIDTHS))
    given = inputs()
    field, planes = network(*given)
    for place in range(4):
        changed = list(given)
        changed[place] = changed[place].flip(-1)
        other, others = network(*changed)
        if place == 1:
            other = other - changed[1] + given[1]
        assert (field - other).abs().max() > 1e-3, place
        assert (planes - others).abs().max() > 1e-5, place


def test_all_its_parameters_learn():
    look, network = SourceLook(4, WIDTHS), awake(FieldNetwork(5, WIDTHS))
    shown, base, photo, _ = inputs()
    features, matte = look(torch.randn(2, 4, 16, 12))
    field, planes = network(shown, base, photo, features)
    ((field - base).square().mean() + planes.square().mean() + matte.square().mean()).backward()
    for part in (look, network):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
