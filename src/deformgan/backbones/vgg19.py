"""Vgg19Features: the frozen classifier whose early features the losses compare.

The weights are never part of this package. They come from a file given by the caller or from
torchvision's download.
"""

import hashlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.errors import InputError, shortened

# Name, output channels, index in torchvision's `features`; every block but the first begins with
# pooling. The fourth and fifth blocks are too coarse for the losses here.
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

# Mean and standard deviation per channel, red first, in units of an image in [0, 1].
_PIXELS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "oxford": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # The authors subtract the mean of blue from red and vice versa.
    "reference": ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
}

# Mean activation on `_calibration_image` with the original Oxford weights.
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
    """VGG-19 feature extractor: outputs of the ReLUs after the requested layers.

    The weights are buffers, so optimizers ignore them and they receive no gradient; the gradient
    with respect to the image is available. Layers beyond the deepest requested one are not run.

    Source:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", ICLR 2015. The deformable GAN's nearest-neighbour loss uses conv1_2, its
        perceptual ablation conv2_1.
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
        """Load the weights.

        Args:
            weights: An .npz file of original Oxford weights (`conv1_1.weight` in OIHW order, or
                Keras' `block1_conv1.kernel` in HWIO order), torchvision's .pth file, or None for
                torchvision's file in torch's hub folder.
            layers: Layers that `forward` returns, from conv1_1 to conv3_4.
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
                    f"channel_order 'reference' needs Oxford weights; {origin} are not."
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
        """Build the network from arrays in memory.

        Args:
            arrays: As in the .npz files or torchvision's state dictionary (see `__init__`).
            layers: Layers that `forward` returns.
            pixels: Pixel normalization of the weights.
            dtype: Data type of weights and images.
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
        """Normalize an image as in the training of the weights.

        Args:
            image: RGB in [-1, 1].

        Returns:
            For Oxford weights, BGR in 0..255 minus the mean; for torchvision's, standardized RGB.
        """
        pixels = image * self.pixel_scale + self.pixel_shift
        return pixels if self.pixels == "torchvision" else pixels.flip(1)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"], layers: Sequence[str] | None = None
    ) -> dict[str, Float[Tensor, "batch _ _ _"]]:
        """Compute the features.

        Args:
            image: RGB in [-1, 1], of any size.
            layers: Which of the network's layers to return; by default all.

        Returns:
            Features by layer name; block 1 at the image's size, each further block at half the
            previous size.
        """
        # Channels last halves the time in bfloat16 on a CPU with matrix units.
        features, found = self.preprocess(image).to(memory_format=torch.channels_last), {}
        layers = self.layers if layers is None else layers
        deepest = max(self.names.index(layer) for layer in layers)
        for name in self.names[: deepest + 1]:
            if name in POOLED_BEFORE:
                features = F.max_pool2d(features, 2)
            weight, bias = (
                getattr(self, f"{name}_weight"),
                getattr(self, f"{name}_bias"),
            )
            features = F.relu_(F.conv2d(features, weight, bias, padding=1))
            if name in layers:
                found[name] = features
        return found

    def level(self, layer: str) -> float:
        """Return the mean activation of a layer on a fixed calibration image.

        The published loss weights are for Oxford's features. Torchvision's weights come from
        another training with another pixel normalization: dividing a feature by its network's level
        and multiplying it by `OXFORD_LEVEL` brings it to the scale of the published loss weights.
        """
        if self.pixels != "torchvision":
            return OXFORD_LEVEL[layer]
        if not self._level:
            with torch.no_grad():
                found = self(_calibration_image().to(self.pixel_scale))
            self._level = {name: features.mean().item() for name, features in found.items()}
        return self._level[layer]


def _calibration_image() -> Float[Tensor, "1 3 128 64"]:
    """Return a fixed image with edges and gradients of several scales and colours, in [-1, 1]."""
    y = torch.arange(128.0).view(-1, 1)
    x = torch.arange(64.0).view(1, -1)
    waves = [
        torch.sin(0.05 * x + 0.11 * y) + torch.sin(0.9 * x - 0.2 * y).sign() * 0.5,
        torch.sin(0.21 * x - 0.07 * y) + torch.sin(0.35 * y).sign() * 0.5,
        torch.sin(0.09 * y) * torch.sin(0.13 * x) + torch.sin(0.6 * x + 0.5 * y) * 0.5,
    ]
    return (torch.stack(waves)[None] / 1.5).clamp(-1, 1)


def _read(path: Path) -> tuple[dict[str, Tensor], Pixels]:
    """Read a weights file; its type determines the pixel normalization."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"VGG-19 weights {path} do not exist; {_remedy()}")
    if path.suffix != ".npz":
        return _torchvision_file(path), "torchvision"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _named(dict(arrays)), "oxford"
    except Exception as error:  # NumPy raises many types of errors for broken archives
        raise InputError(
            f"VGG-19 weights {path} are not a readable .npz file ({shortened(error)})."
        ) from None


def _named(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """Convert the three known layouts to `conv1_1.weight` (OIHW) and `conv1_1.bias`."""
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
    """Return torchvision's file name and the prefix of the SHA-256 that it contains."""
    from torchvision.models import VGG19_Weights

    name = Path(urlparse(VGG19_Weights.IMAGENET1K_V1.url).path).name
    return name, name.removesuffix(".pth").rpartition("-")[2]


def _torchvision_file(path: Path) -> dict[str, Tensor]:
    """Read torchvision's file after checking its SHA-256, as torchvision does on download."""
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
        # Torch sets no timeout, so a firewall that drops packets would block forever.
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
        try:
            VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"VGG-19 weights are not in {path.parent} and could not be downloaded "
                f"({shortened(error)}); {_remedy()}"
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
