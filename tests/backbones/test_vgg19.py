"""VGG-19 against a hand-built chain, the authors' content model, and its promises."""

import socket
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deformgan.backbones import vgg19
from deformgan.backbones.vgg19 import CONVOLUTIONS, Vgg19Features
from deformgan.errors import InputError


def random_arrays(layout: str = "oxford") -> dict[str, np.ndarray]:
    """Weights of the right shapes, named and laid out as in one of the three sources."""
    random, arrays, channels = np.random.default_rng(0), {}, 3
    for name, (outputs, index) in CONVOLUTIONS.items():
        scale = (2 / (9 * channels)) ** 0.5
        weight = random.normal(0, scale, (outputs, channels, 3, 3)).astype(np.float32)
        bias = random.normal(0, 0.1, outputs).astype(np.float32)
        if layout == "oxford":
            arrays |= {f"{name}.weight": weight, f"{name}.bias": bias}
        elif layout == "torchvision":
            arrays |= {f"features.{index}.weight": weight, f"features.{index}.bias": bias}
        else:
            keras = f"block{name[4]}_conv{name[6]}"
            arrays |= {f"{keras}.kernel": weight.transpose(2, 3, 1, 0), f"{keras}.bias": bias}
        channels = outputs
    return arrays


def image(size: tuple[int, int] = (32, 16)) -> torch.Tensor:
    return torch.rand(2, 3, *size) * 2 - 1


def test_equals_a_hand_built_chain_on_oxford_weights(outside_weights):
    path = outside_weights / "vgg19_conv1_1_to_conv3_4_OIHW.npz"
    photo, arrays = image(), np.load(path)
    rgb = (photo + 1) / 2 * 255
    features = torch.stack([rgb[:, 2] - 103.939, rgb[:, 1] - 116.779, rgb[:, 0] - 123.68], dim=1)
    found = Vgg19Features(path, list(CONVOLUTIONS))(photo)
    assert list(found) == list(CONVOLUTIONS)
    for name in CONVOLUTIONS:
        if name in ("conv2_1", "conv3_1"):
            features = F.max_pool2d(features, kernel_size=2, stride=2)
        weight, bias = (torch.from_numpy(arrays[f"{name}.{kind}"]) for kind in ("weight", "bias"))
        features = torch.relu(F.conv2d(features, weight, bias, stride=1, padding=1))
        torch.testing.assert_close(found[name], features, rtol=1e-4, atol=1e-2)


def test_equals_torchvisions_own_network_on_torchvision_weights():
    from torchvision.models import VGG19_Weights
    from torchvision.models import vgg19 as build

    with torch.device("meta"):  # its 143 million random weights are not needed
        network = build(weights=None).features[:18].eval()
    state = {
        name.removeprefix("features."): torch.from_numpy(array)
        for name, array in random_arrays("torchvision").items()
    }
    keys = network.load_state_dict(state, strict=False, assign=True)
    assert not keys.missing_keys
    photo = image()
    standardize = VGG19_Weights.IMAGENET1K_V1.transforms()
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (standardize.mean, standardize.std)
    )
    with torch.no_grad():
        expected = network(((photo + 1) / 2 - mean) / deviation)
    ours = Vgg19Features.from_arrays(
        random_arrays("torchvision"), ["conv3_4"], pixels="torchvision"
    )
    torch.testing.assert_close(ours(photo)["conv3_4"], expected, rtol=1e-4, atol=1e-4)


def test_gives_the_authors_features_in_the_references_channel_order(golden):
    expected, inputs = (
        np.load(golden / "net" / name) for name in ("vgg_outputs.npz", "inputs_128x64.npz")
    )
    network = Vgg19Features(
        golden / "net" / "vgg_weights.npz", ("conv1_1", "conv1_2", "conv2_1"), "reference"
    )
    photo = torch.from_numpy((inputs["tgt_uint8"] / 255 - 0.5) * 2).float().permute(0, 3, 1, 2)
    pixels = network.preprocess(photo).permute(0, 2, 3, 1)
    np.testing.assert_allclose(pixels[:, ::8, ::8], expected["preprocessed_target"], atol=5e-5)
    for name, features in network(photo).items():
        wanted = expected[f"target.block{name[4]}_conv{name[6]}"]
        np.testing.assert_allclose(
            features.permute(0, 2, 3, 1)[:, ::8, ::8], wanted, atol=4e-5 * np.abs(wanted).max()
        )


def test_double_precision_goes_all_the_way():
    arrays, photo = random_arrays(), image().double()
    rgb = (photo + 1) / 2 * 255
    features = torch.stack([rgb[:, 2] - 103.939, rgb[:, 1] - 116.779, rgb[:, 0] - 123.68], dim=1)
    network = Vgg19Features.from_arrays(arrays, ("conv1_1",), dtype=torch.float64)
    weight, bias = (
        torch.from_numpy(arrays[f"conv1_1.{kind}"]).double() for kind in ("weight", "bias")
    )
    expected = torch.relu(F.conv2d(features, weight, bias, padding=1))
    torch.testing.assert_close(network(photo)["conv1_1"], expected, rtol=0, atol=1e-11)


def test_the_three_layouts_of_weights_give_one_network():
    photo = image()
    features = [
        Vgg19Features.from_arrays(random_arrays(layout), ["conv3_4"])(photo)["conv3_4"]
        for layout in ("oxford", "torchvision", "keras")
    ]
    torch.testing.assert_close(features[1], features[0], rtol=0, atol=0)
    torch.testing.assert_close(features[2], features[0])


def test_it_is_frozen_but_lets_the_images_gradient_through():
    network = Vgg19Features.from_arrays(random_arrays())
    photo = image().requires_grad_()
    network(photo)["conv1_2"].mean().backward()
    assert list(network.parameters()) == []
    assert photo.grad is not None
    assert photo.grad.abs().sum() > 0
    assert all(not buffer.requires_grad for buffer in network.buffers())
    assert not network.state_dict()


def test_only_the_layers_that_are_needed_are_kept():
    network = Vgg19Features.from_arrays(random_arrays(), ["conv1_2"])
    assert network.names == ["conv1_1", "conv1_2"]
    assert network(image((20, 12)))["conv1_2"].shape == (2, 64, 20, 12)


def test_the_stored_level_is_what_oxford_weights_give(outside_weights):
    network = Vgg19Features(
        outside_weights / "vgg19_conv1_1_to_conv3_4_OIHW.npz", list(CONVOLUTIONS)
    )
    with torch.no_grad():
        for name, features in network(vgg19._calibration_image()).items():
            assert features.mean().item() == pytest.approx(vgg19.OXFORD_LEVEL[name], rel=1e-3)


def test_features_over_their_level_are_alike_by_oxford_and_by_torchvision(outside_weights):
    path = outside_weights / "vgg19_block1_OIHW.npz"
    oxford = Vgg19Features(path)
    assert oxford.level("conv1_2") == vgg19.OXFORD_LEVEL["conv1_2"]

    # Torchvision's network made from Oxford's: the same function of the photo, 1/50 in size.
    mean = torch.tensor([0.485, 0.456, 0.406]) - torch.tensor([123.68, 116.779, 103.939]) / 255
    deviation = torch.tensor([0.229, 0.224, 0.225])
    arrays = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    first = arrays["conv1_1.weight"].flip(1)
    arrays["conv1_1.weight"] = first * (255 * deviation).view(1, 3, 1, 1) / 50
    arrays["conv1_1.bias"] = (
        arrays["conv1_1.bias"] + (first.sum(dim=(2, 3)) * mean * 255).sum(dim=1)
    ) / 50
    arrays["conv1_2.bias"] = arrays["conv1_2.bias"] / 50
    other = Vgg19Features.from_arrays(arrays, pixels="torchvision")
    assert other.level("conv1_2") == pytest.approx(oxford.level("conv1_2") / 50, rel=0.02)
    one, another = image(), image()
    ours, theirs = (
        (network(one)["conv1_2"] - network(another)["conv1_2"]).abs().mean()
        for network in (oxford, other)
    )
    torch.testing.assert_close(ours, 50 * theirs, rtol=0.05, atol=0)


def test_says_what_to_do_where_no_weights_are(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    limits = []

    def no_network(*_args, **_kwargs):
        limits.append(socket.getdefaulttimeout())
        raise URLError("no network in this test")

    monkeypatch.setattr("torch.hub.urlopen", no_network)
    before = socket.getdefaulttimeout()
    with pytest.raises(
        InputError, match=r"vgg= .*download= .*548 MB.* from download\.pytorch\.org"
    ):
        Vgg19Features()
    assert limits == []
    with pytest.raises(InputError, match=r"could not be downloaded .*give a path to vgg19"):
        Vgg19Features(download=True)
    assert limits == [vgg19.DOWNLOAD_TIMEOUT]
    assert socket.getdefaulttimeout() == before


def test_reads_torchvisions_file_only_if_its_sum_is_right(monkeypatch, tmp_path):
    import hashlib

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True)
    state = {name: torch.from_numpy(array) for name, array in random_arrays("torchvision").items()}
    torch.save(state, path)
    with pytest.raises(InputError, match="SHA-256"):
        Vgg19Features()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(vgg19, "_torchvision_name", lambda: (path.name, digest[:8]))
    photo = image()
    expected = Vgg19Features.from_arrays(state, pixels="torchvision")(photo)["conv1_2"]
    for weights in (None, path):
        torch.testing.assert_close(Vgg19Features(weights)(photo)["conv1_2"], expected)
    with pytest.raises(InputError, match="needs Oxford weights"):
        Vgg19Features(path, channel_order="reference")


def test_names_the_file_that_is_missing_or_broken(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.npz do not exist"):
        Vgg19Features(tmp_path / "nothing.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"broken\.npz are not a readable"):
        Vgg19Features(broken)


def test_a_message_about_a_broken_archive_is_short_though_zipfile_quotes_names(tmp_path):
    path = tmp_path / "renamed.npz"
    name = "conv1_1.weight" + 300 * "x"
    np.savez(path, **{name: np.zeros(3)})
    content = path.read_bytes()
    first = content.index(name.encode())
    path.write_bytes(content[:first] + 300 * b"\xff" + content[first + 300 :])
    with pytest.raises(InputError, match=r"renamed\.npz are not a readable") as caught:
        Vgg19Features(path)
    assert len(str(caught.value)) < 1_000


def test_names_the_layer_that_a_file_does_not_have(outside_weights):
    with pytest.raises(InputError, match="has no conv2_1"):
        Vgg19Features(outside_weights / "vgg19_block1_OIHW.npz", ["conv2_1"])


def test_refuses_arrays_of_another_network():
    arrays = random_arrays()
    arrays["conv1_2.weight"] = arrays["conv1_2.weight"][:32]
    with pytest.raises(InputError, match="conv1_2 of the given arrays has shape"):
        Vgg19Features.from_arrays(arrays)


@pytest.mark.parametrize("layers", [["conv5_1"], []])
def test_refuses_layers_it_does_not_have(layers):
    with pytest.raises(ValueError, match="layers must be among"):
        Vgg19Features.from_arrays(random_arrays(), layers)
