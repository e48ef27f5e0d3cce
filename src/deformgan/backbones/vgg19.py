"""VGG-19: the frozen classifier whose early features the losses compare.

The weights are never part of this package. They come from a file that the caller names or from the
caller's own torchvision download.
"""

import hashlib
import socket
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.errors import InputError

# Name, output channels, index in torchvision's `features`; a pooling stands before each block but
# the first. The fourth and fifth block are too coarse for any loss here.
CONVOLUTIONS = {
    "conv1_1": (64, 0),
    "conv1_2": (64, 2),
    "conv2_1": (128, 5),
    "conv2_2": (128, 7),
    "conv3_1": (256, 10),
    "conv3_2": (256, 12),
    "conv3_3": (256, 14),
    "conv3_4": (256, 16),
}
POOLED_BEFORE = {"conv2_1", "conv3_1"}

Pixels = Literal["oxford", "torchvision", "reference"]
ChannelOrder = Literal["correct", "reference"]

# Mean and deviation per channel, red first, in units of a 0..1 image.
_PIXELS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "oxford": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # The authors subtract blue's mean from red and red's from blue.
    "reference": ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
}

# Mean feature of `_calibration_image` with the original Oxford weights.
OXFORD_LEVEL = {
    "conv1_1": 34.553,
    "conv1_2": 154.006,
    "conv2_1": 205.888,
    "conv2_2": 270.426,
    "conv3_1": 292.779,
    "conv3_2": 378.965,
    "conv3_3": 866.680,
    "conv3_4": 1411.400,
}

DOWNLOAD_TIMEOUT = 15.0


class Vgg19Features(nn.Module):
    """Gives the features of VGG-19 after the ReLU of the layers asked for.

    The weights are buffers: no optimizer finds them and no gradient is kept for them, while the
    gradient with respect to the image flows. Only the layers up to the deepest one asked for run.

    Source:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", ICLR 2015. The deformable GAN's nearest-neighbour loss looks at conv1_2, its
        perceptual ablation at conv2_1.
    """

    pixel_scale: Tensor
    pixel_shift: Tensor

    def __init__(
        self,
        weights: Path | None = None,
        layers: Sequence[str] = ("conv1_2",),
        channel_order: ChannelOrder = "correct",
        download: bool = False,
    ):
        """Loads the weights.

        Args:
            weights: An .npz file of original Oxford weights (`conv1_1.weight` in OIHW order, or the
                `block1_conv1.kernel` of Keras in HWIO order), torchvision's .pth file, or None for
                torchvision's file in torch's hub folder.
            layers: conv1_1 to conv3_4; what `forward` returns.
            channel_order: "reference" swaps the means of red and blue as the authors' code does.
                Only for Oxford weights.
            download: Whether torchvision may download its file (548 MB) if `weights` is None and
                the hub folder lacks it.
        """
        super().__init__()
        if weights is None:
            arrays, pixels = _from_hub_folder(download), "torchvision"
            origin = "torchvision's file"
        else:
            arrays, pixels = _read(weights)
            origin = str(weights)
        if channel_order == "reference":
            if pixels != "oxford":
                raise InputError(
                    f"The reference's channel order needs Oxford weights; {origin} is not."
                )
            pixels = "reference"
        self._build(arrays, layers, pixels, origin)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Any],
        layers: Sequence[str] = ("conv1_2",),
        pixels: Pixels = "oxford",
        dtype: torch.dtype = torch.float32,
    ) -> "Vgg19Features":
        """Builds the network from arrays in memory.

        Args:
            arrays: As in the .npz files or torchvision's state dictionary (see `__init__`).
            layers: What `forward` returns.
            pixels: What the weights expect of an image.
            dtype: In which to compute; images must have it.
        """
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        network._build(_named(arrays), layers, pixels, "the given arrays", dtype)
        return network

    def _build(
        self,
        arrays: Mapping[str, Tensor],
        layers: Sequence[str],
        pixels: Pixels,
        origin: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        layers = tuple(layers)
        unknown = [layer for layer in layers if layer not in CONVOLUTIONS]
        if unknown or not layers:
            given = ", ".join(layers) or "none"
            raise ValueError(f"layers must be among {', '.join(CONVOLUTIONS)}, got {given}.")
        names = list(CONVOLUTIONS)
        self.layers = layers
        self.pixels = pixels
        self._level: dict[str, float] = {}  # see `level`
        self.names = names[: 1 + max(names.index(layer) for layer in layers)]
        channels = 3
        for name in self.names:
            weight, bias = arrays.get(f"{name}.weight"), arrays.get(f"{name}.bias")
            if weight is None or bias is None:
                raise InputError(
                    f"{origin} has no {name}; {', '.join(layers)} needs {', '.join(self.names)}."
                )
            outputs = CONVOLUTIONS[name][0]
            if weight.shape != (outputs, channels, 3, 3) or bias.shape != (outputs,):
                raise InputError(
                    f"{name} of {origin} has shape {tuple(weight.shape)},"
                    f" VGG-19 has {(outputs, channels, 3, 3)}."
                )
            self.register_buffer(f"{name}_weight", weight.to(dtype).contiguous(), persistent=False)
            self.register_buffer(f"{name}_bias", bias.to(dtype).contiguous(), persistent=False)
            channels = outputs
        mean, deviation = (
            torch.tensor(values, dtype=dtype).view(1, 3, 1, 1) for values in _PIXELS[pixels]
        )
        # image in [-1, 1] -> (image / 2 + 1/2 - mean) / deviation
        self.register_buffer("pixel_scale", 0.5 / deviation, persistent=False)
        self.register_buffer("pixel_shift", (0.5 - mean) / deviation, persistent=False)

    def preprocess(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Turns an image into what the weights were trained on.

        Args:
            image: RGB in [-1, 1].

        Returns:
            Oxford's weights: BGR in 0..255 without the mean; torchvision's: standardized RGB.
        """
        pixels = image * self.pixel_scale + self.pixel_shift
        return pixels if self.pixels == "torchvision" else pixels.flip(1)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _"]]:
        """Computes the features.

        Args:
            image: RGB in [-1, 1], of any size.

        Returns:
            Features by layer name; block 1 in the image's size, every further block in half of it.
        """
        # Channels last: in bfloat16 a CPU with matrix units then takes half the time.
        features, found = self.preprocess(image).to(memory_format=torch.channels_last), {}
        for name in self.names:
            if name in POOLED_BEFORE:
                features = F.max_pool2d(features, 2)
            weight, bias = (
                getattr(self, f"{name}_weight"),
                getattr(self, f"{name}_bias"),
            )
            features = F.relu_(F.conv2d(features, weight, bias, padding=1))
            if name in self.layers:
                found[name] = features
        return found

    def level(self, layer: str) -> float:
        """Return the mean feature of a layer on one fixed picture.

        The published loss weights belong to Oxford's features. Torchvision's are another training
        on pixels of another unit: a feature divided by its network's level and multiplied by
        `OXFORD_LEVEL` is on the scale of those weights.
        """
        if self.pixels != "torchvision":
            return OXFORD_LEVEL[layer]
        if not self._level:
            with torch.no_grad():
                found = self(_calibration_image().to(self.pixel_scale))
            self._level = {name: features.mean().item() for name, features in found.items()}
        return self._level[layer]


def _calibration_image() -> Float[Tensor, "1 3 128 64"]:
    """A fixed picture with edges and slopes of several scales and colours, in [-1, 1]."""
    y = torch.arange(128.0).view(-1, 1)
    x = torch.arange(64.0).view(1, -1)
    waves = [
        torch.sin(0.05 * x + 0.11 * y) + torch.sin(0.9 * x - 0.2 * y).sign() * 0.5,
        torch.sin(0.21 * x - 0.07 * y) + torch.sin(0.35 * y).sign() * 0.5,
        torch.sin(0.09 * y) * torch.sin(0.13 * x) + torch.sin(0.6 * x + 0.5 * y) * 0.5,
    ]
    return (torch.stack(waves)[None] / 1.5).clamp(-1, 1)


def _read(path: Path) -> tuple[dict[str, Tensor], Pixels]:
    """Reads a weight file; its kind tells which pixels it wants."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"VGG-19 weights {path} do not exist; {_remedy()}")
    if path.suffix != ".npz":
        return _torchvision_file(path), "torchvision"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _named(dict(arrays)), "oxford"
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"VGG-19 weights {path} are not a readable .npz file ({error}).") from None


def _named(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """Brings the three known layouts to `conv1_1.weight` (OIHW) and `conv1_1.bias`."""
    named = {}
    for name, (_, index) in CONVOLUTIONS.items():
        keras = f"block{name[4]}_conv{name[6]}"
        for key in (f"{name}.weight", f"features.{index}.weight", f"{keras}.kernel"):
            if key in arrays:
                weight = torch.as_tensor(arrays[key])
                named[f"{name}.weight"] = (
                    weight.permute(3, 2, 0, 1) if key.endswith("kernel") else weight
                )
        for key in (f"{name}.bias", f"features.{index}.bias", f"{keras}.bias"):
            if key in arrays:
                named[f"{name}.bias"] = torch.as_tensor(arrays[key])
    return named


def _torchvision_name() -> tuple[str, str]:
    """Gives torchvision's file name and the first digits of its SHA-256, which the name carries."""
    from torchvision.models import VGG19_Weights

    name = Path(urlparse(VGG19_Weights.IMAGENET1K_V1.url).path).name
    return name, name.removesuffix(".pth").rpartition("-")[2]


def _torchvision_file(path: Path) -> dict[str, Tensor]:
    """Reads torchvision's file after the check of its SHA-256 that torchvision does on download."""
    name, expected = _torchvision_name()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected):
        raise InputError(
            f"{path} has SHA-256 {digest[: len(expected)]}..., torchvision's {name} has"
            f" {expected}...; {_remedy()}"
        )
    return _named(torch.load(path, map_location="cpu", weights_only=True, mmap=True))


def _from_hub_folder(download: bool) -> dict[str, Tensor]:
    """Read torchvision's file from torch's hub folder; download it only if this is allowed."""
    from torchvision.models import VGG19_Weights

    name, _ = _torchvision_name()
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        if not download:
            raise InputError(
                f"The losses need VGG-19 weights, and {path.parent} has no {name}: use vgg= with "
                "a file of them, use download= to fetch that file (548 MB) from "
                f"{urlparse(VGG19_Weights.IMAGENET1K_V1.url).hostname}, or choose a recipe without "
                "VGG-19, such as quickstart or synthetic."
            )
        before = socket.getdefaulttimeout()
        # Torch opens the connection without a time limit: behind a silent firewall it would hang.
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
        try:
            VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"VGG-19 weights are not in {path.parent} and could not be downloaded ({error});"
                f" {_remedy()}"
            ) from None
        finally:
            socket.setdefaulttimeout(before)
    return _torchvision_file(path)


def _remedy() -> str:
    name, _ = _torchvision_name()
    return (
        f"give a path to {name} (from a machine with a network: torchvision.models.vgg19 with"
        " VGG19_Weights.IMAGENET1K_V1) or to an .npz with conv1_1.weight, conv1_1.bias, ..."
    )
