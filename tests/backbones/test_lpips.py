"""LpipsFeatures: which layers it gives, and which files it takes."""

import pytest
import torch
import torchvision

from deformgan.backbones.lpips import LpipsFeatures
from deformgan.errors import InputError

CHANNELS = [64, 192, 384, 256, 256]


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    path = tmp_path_factory.mktemp("heads") / "heads.pth"
    state = {
        f"lin{layer}.model.1.weight": torch.rand(1, channels, 1, 1)
        for layer, channels in enumerate(CHANNELS)
    }
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """AlexNet's layers with random weights, and a file of them that has a classifier too."""
    torch.manual_seed(0)
    with torch.device("meta"):
        network = torchvision.models.alexnet(weights=None).features
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    state = {f"features.{key}": value for key, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("alex") / "mine.pth"
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, path)
    return network, path


def test_gives_the_five_relus_of_a_standardized_image(alexnet, heads):
    network, path = alexnet
    images = torch.randint(0, 256, (2, 3, 40, 33), dtype=torch.uint8)
    # The constants of torchvision's own preprocessing, which LPIPS rounds to three digits.
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    values = (images / 255 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    expected = []
    for layer in network[:12]:
        values = layer(values)
        if isinstance(layer, torch.nn.ReLU):
            expected.append(values.clone())
    ours = LpipsFeatures("alex", path, heads)(images)
    assert [feature.shape[1] for feature in ours] == CHANNELS
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_another_file_is_named_as_itself(alexnet, heads):
    weights = LpipsFeatures("alex", alexnet[1], heads).weights
    assert (weights.name, weights.published) == ("mine", False)


def test_carries_the_linear_weights_of_torchmetrics(alexnet):
    pytest.importorskip("torchmetrics")
    network = LpipsFeatures("alex", alexnet[1])
    assert [len(head) for head in network.heads] == CHANNELS
    # They were trained not to be negative.
    assert all((head >= 0).all() and head.max() > 0 for head in network.heads)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_says_which_extra_has_the_linear_weights(alexnet, monkeypatch):
    monkeypatch.setattr("deformgan.backbones.lpips.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'LPIPS \(alex\) needs the extra "eval"'):
        LpipsFeatures("alex", alexnet[1])


@pytest.mark.parametrize(
    ("backbone", "file"), [("alex", "alexnet-owt-7be5be79.pth"), ("vgg", "vgg16-397923af.pth")]
)
def test_says_which_weights_are_missing(monkeypatch, tmp_path, heads, backbone, file):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=rf"LPIPS \({backbone}\) needs .*give a path to {file}"):
        LpipsFeatures(backbone, heads=heads)


def test_refuses_weights_and_heads_of_other_networks(alexnet, heads, tmp_path):
    with pytest.raises(InputError, match=r"is not a state dict of torchvision's alexnet"):
        LpipsFeatures("alex", heads, heads)
    for wrong in (alexnet[1], tmp_path / "nothing.pth"):
        with pytest.raises(InputError, match="does not hold the linear weights"):
            LpipsFeatures("alex", alexnet[1], wrong)


def test_refuses_images_too_small_for_its_last_layer(alexnet, heads):
    network = LpipsFeatures("alex", alexnet[1], heads)
    assert len(network(torch.zeros(1, 3, 31, 31, dtype=torch.uint8))) == 5
    with pytest.raises(ValueError, match="31 pixels or more, got 30x64"):
        network(torch.zeros(1, 3, 30, 64, dtype=torch.uint8))
