"""The blocks that both networks are built of."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

Norm = Literal["instance", "joint"]
Upsampling = Literal["transposed", "resize"]

LEAK = 0.2  # of every LeakyReLU
DROPOUT = 0.5
# Columns up to which a convolution of stride 2 is computed in float32: in bfloat16 on processors
# with AMX, oneDNN (seen with torch 2.15) returns garbage for 2 or 3 columns of 64 channels or more.
_NARROW = 3


@dataclass(frozen=True)
class Noise:
    """What dropout draws from: the paper's z.

    Attributes:
        random: On the device of the features. A seeded one makes the result repeatable.
        place: Which part of a batch that was cut into equal parts is at hand; each part gets the
            noise that it would have in the whole.
        places: Number of parts.
    """

    random: torch.Generator
    place: int = 0
    places: int = 1

    def kept(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Bool[Tensor, "batch channels height width"]:
        """Draws which of the features stay."""
        batch, *rest = features.shape
        shape = (batch * self.places, *rest)
        drawn = torch.rand(shape, generator=self.random, device=features.device)
        return drawn[self.place * batch : (self.place + 1) * batch] >= DROPOUT


class JointNorm(nn.Module):
    """Normalizes an image over channels, rows and columns together, with one scale and one shift.

    Source:
        What the authors' "instance normalization" does by its library's default axis; the small
        number is added to the deviation, not to the variance.
    """

    def __init__(self, epsilon: float = 1e-3):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.epsilon = epsilon

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalizes each item of the batch by its own mean and population deviation."""
        axes = (1, 2, 3)
        mean = features.mean(dim=axes, keepdim=True)
        # Not the root of the variance: its gradient is NaN for an image without any variation.
        deviation = features.std(dim=axes, keepdim=True, correction=0)
        return (features - mean) / (deviation + self.epsilon) * self.weight + self.bias


class ChannelNorm(nn.InstanceNorm2d):
    """Instance normalization, also of maps of one pixel, which torch refuses.

    A pixel alone is its channel's mean: what remains is the shift.
    """

    def forward(
        self, input: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalizes each channel of each item by its own mean and population deviation."""
        if input.shape[2:] == (1, 1):
            return torch.zeros_like(input) + self.bias[:, None, None]
        return super().forward(input)


def make_norm(norm: Norm | None, channels: int) -> nn.Module:
    """Builds a normalization; None builds one that changes nothing."""
    if norm is None:
        return nn.Identity()
    if norm == "instance":
        return ChannelNorm(channels, affine=True)
    if norm == "joint":
        return JointNorm()
    raise ValueError(f"norm must be instance, joint or None, got {norm!r}.")


class Down(nn.Module):
    """Halves the resolution: LeakyReLU, 4x4 convolution of stride 2, norm."""

    def __init__(self, inputs: int, outputs: int, norm: Norm | None):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.norm = make_norm(norm, outputs)

    def forward(
        self, features: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height//2 width//2"]:
        """Gives features before the next activation."""
        return self.norm(halve(self.conv, F.leaky_relu(features, LEAK)))


def halve(conv: nn.Conv2d, features: Tensor) -> Tensor:
    """Apply a convolution of stride 2, in float32 where bfloat16 cannot be trusted."""
    if features.shape[3] > _NARROW or features.is_meta:  # on meta nothing is computed
        return conv(features)
    with torch.autocast(features.device.type, enabled=False):
        return conv(features.to(conv.weight.dtype))


class Up(nn.Module):
    """Doubles the resolution: ReLU, up-convolution, norm, noise.

    "transposed" is the paper's 4x4 transposed convolution. "resize" takes its place with a 3x3
    convolution, a doubling of the pixels and another 3x3 convolution, which cannot leave a
    checkerboard and costs about as much.
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
        """Gives features before the next activation.

        Args:
            features: From the level below, with its skip.
            noise: Turns dropout on, also outside training. Without it dropout is on in training
                only, and draws from torch's own random numbers.
        """
        features = self.norm(self.conv(F.relu(features)))
        if not self.noisy:
            return features
        if noise is None:
            return F.dropout(features, DROPOUT, self.training)
        return features * noise.kept(features) / (1 - DROPOUT)


def init_weights(network: nn.Module) -> None:
    """Draws convolutions from Glorot's uniform distribution and zeroes their biases.

    Source:
        The defaults of the authors' framework.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
