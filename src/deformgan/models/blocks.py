"""Building blocks of the generator and the discriminator."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Norm = Literal["instance", "joint"]
Upsampling = Literal["transposed", "resize"]

LEAK = 0.2  # negative slope of every LeakyReLU
DROPOUT = 0.5
# Widest input, in columns, whose stride-2 convolution runs in float32. In bfloat16 on processors
# with AMX, oneDNN (seen with torch 2.15) returns garbage for 2 or 3 columns of 64 channels or more.
_NARROW = 3


@dataclass(frozen=True)
class Noise:
    """Random source of the dropout noise (z in the paper).

    Attributes:
        random: Generator on the device of the features. Seed it for reproducible results.
        place: Index of this part of a batch that was split into equal parts. Each part gets the
            same noise as it would in the whole batch.
        places: Number of parts.
    """

    random: torch.Generator
    place: int = 0
    places: int = 1

    def kept(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Bool[Tensor, "batch channels height width"]:
        """Draw the dropout mask: True where a feature is kept."""
        batch, *rest = features.shape
        shape = (batch * self.places, *rest)
        drawn = torch.rand(shape, generator=self.random, device=features.device)
        return drawn[self.place * batch : (self.place + 1) * batch] >= DROPOUT


class JointNorm(nn.Module):
    """Normalization over channels, rows and columns together, with one scale and one shift.

    Source:
        The "instance normalization" of the authors' code, which normalizes over these axes because
        of its library's default. Epsilon is added to the standard deviation, not to the variance.
    """

    def __init__(self, epsilon: float = 1e-3):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.epsilon = epsilon

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalize each image by its own mean and population standard deviation."""
        axes = (1, 2, 3)
        mean = features.mean(dim=axes, keepdim=True)
        # Not the root of the variance, whose gradient is NaN for a constant image.
        deviation = features.std(dim=axes, keepdim=True, correction=0)
        return (features - mean) / (deviation + self.epsilon) * self.weight + self.bias


class ChannelNorm(nn.InstanceNorm2d):
    """Instance normalization that also accepts 1x1 feature maps, which torch rejects.

    A single pixel equals its channel's mean, so only the shift remains.
    """

    def forward(
        self, input: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalize each channel of each image by its own mean and population deviation."""
        if input.shape[2:] == (1, 1):
            return torch.zeros_like(input) + self.bias[:, None, None]
        return super().forward(input)


def make_norm(norm: Norm | None, channels: int) -> nn.Module:
    """Build a normalization layer; None builds the identity."""
    if norm is None:
        return nn.Identity()
    if norm == "instance":
        return ChannelNorm(channels, affine=True)
    if norm == "joint":
        return JointNorm()
    raise ValueError(f"norm must be instance, joint or None, got {norm!r}.")


class Down(nn.Module):
    """Downsampling by 2: LeakyReLU, 4x4 convolution with stride 2, normalization."""

    def __init__(self, inputs: int, outputs: int, norm: Norm | None):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.norm = make_norm(norm, outputs)

    def forward(
        self, features: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height//2 width//2"]:
        """Return features before the next activation."""
        return self.norm(halve(self.conv, F.leaky_relu(features, LEAK)))


def halve(conv: nn.Conv2d, features: Tensor) -> Tensor:
    """Apply a convolution of stride 2, in float32 where bfloat16 is unreliable (see `_NARROW`)."""
    if features.shape[3] > _NARROW or features.is_meta:  # nothing is computed on meta tensors
        return conv(features)
    weights = [conv.weight] if conv.bias is None else [conv.weight, conv.bias]
    dtype = torch.promote_types(conv.weight.dtype, torch.float32)
    with torch.autocast(features.device.type, enabled=False):
        features, *wide = (tensor.to(dtype) for tensor in (features, *weights))
        return F.conv2d(features, *wide, stride=conv.stride, padding=conv.padding)


def to_bfloat16(network: nn.Module) -> None:
    """Convert a network's convolutions to bfloat16, for inference.

    As under autocast, but weights are converted once instead of in every pass, and stored channels
    last. All else keeps its precision.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(torch.bfloat16).to(memory_format=torch.channels_last)
            module.register_forward_pre_hook(_to_own_dtype)


def _to_own_dtype(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.to(next(module.parameters()).dtype) for tensor in inputs)


class Up(nn.Module):
    """Upsampling by 2: ReLU, up-convolution, normalization, optional dropout.

    "transposed" is the paper's 4x4 transposed convolution. "resize" is a 3x3 convolution,
    nearest-neighbour upsampling and another 3x3 convolution; it cannot produce checkerboard
    artifacts and costs about as much.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, noisy: bool, upsampling: Upsampling):
        super().__init__()
        if upsampling == "transposed":
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        elif upsampling == "resize":
            self.conv = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                make_norm(norm, outputs),
                nn.ReLU(),
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            )
        else:
            raise ValueError(f"upsampling must be transposed or resize, got {upsampling!r}.")
        self.norm = make_norm(norm, outputs)
        self.noisy = noisy

    def forward(
        self,
        features: Float[Tensor, "batch inputs height width"],
        noise: Noise | None = None,
    ) -> Float[Tensor, "batch outputs height*2 width*2"]:
        """Return features before the next activation.

        Args:
            features: Output of the coarser level, concatenated with its skip.
            noise: Enables dropout in evaluation mode too. If None, dropout is active in training
                mode only and uses torch's global random state.
        """
        features = self.norm(self.conv(F.relu(features)))
        if not self.noisy:
            return features
        if noise is None:
            return F.dropout(features, DROPOUT, self.training)
        return features * noise.kept(features) / (1 - DROPOUT)


def init_weights(network: nn.Module) -> None:
    """Initialize convolutions with Glorot uniform weights and zero biases.

    Source:
        The defaults of the authors' framework.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
