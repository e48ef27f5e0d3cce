"""SourceLook, FieldNetwork: what a look at the photo adds to the parts' transforms."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.models.blocks import LEAK, halve
from deformgan.models.layers import resize, sample_at, unfold

FEATURES = 16  # channels that the source hands over to every target
_GROUPS = 8  # of every normalization


class SourceLook(nn.Module):
    """What the photo alone decides: the person's matte, and features to be moved with the field.

    Args:
        inputs: Channels of what is shown: the photo and its pose.
        widths: Channels, half resolution first.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...]):
        super().__init__()
        self.enter = _Halve(inputs, widths[0])
        self.net = _UNet(widths)
        self.leave = nn.Conv2d(widths[0], FEATURES + 4, 3, padding=1)

    def forward(
        self, shown: Float[Tensor, "batch inputs height width"]
    ) -> tuple[
        Float[Tensor, "batch features height//2 width//2"], Float[Tensor, "batch 1 height width"]
    ]:
        """Return features at half the resolution, and logits of the source's matte."""
        found = self.leave(self.net(self.enter(shown)))
        features, matte = found.split([FEATURES, 4], dim=1)
        return features, unfold(matte)


class FieldNetwork(nn.Module):
    """Corrects the field, and finds what is visible and where the person will be.

    It looks twice: at the source's features where the parts' transforms find them, and again where
    its own first guess does.

    Args:
        inputs: Channels of what is shown: the target pose, the field so far, the photo moved by it.
        widths: Channels, half resolution first.
    """

    SCALE = 10.0  # pixels of correction for an output of 1

    def __init__(self, inputs: int, widths: tuple[int, ...]):
        super().__init__()
        self.enter = _Halve(inputs, widths[0])
        self.merge = _Merge(widths[0] + FEATURES, widths[0])
        self.net = _UNet(widths)
        self.guess = nn.Conv2d(widths[0], 2, 3, padding=1)
        self.again = _Merge(widths[0] + FEATURES + 3, 32)
        self.head = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(32, 4 * 4, 3, padding=1),
        )

    def begin(self) -> None:
        """Start from the parts' transforms: all corrections are zero."""
        for layer in (self.guess, self.head[-1]):
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        shown: Float[Tensor, "batch inputs height width"],
        base: Float[Tensor, "batch 2 height width"],
        photo: Float[Tensor, "batch 3 height width"],
        features: Float[Tensor, "batch features height//2 width//2"],
    ) -> tuple[Float[Tensor, "batch 2 height width"], Float[Tensor, "batch 2 height width"]]:
        """Correct a field.

        Args:
            shown: See `inputs`.
            base: The field so far, in pixels.
            photo: The source photo.
            features: Of `SourceLook`.

        Returns:
            The corrected field, and logits of visible and matte.
        """
        size = (shown.shape[2], shown.shape[3])
        half = (size[0] // 2, size[1] // 2)
        base_half = F.avg_pool2d(base, 2)
        moved = sample_at(features, base_half, size)
        found = self.net(self.merge(torch.cat([self.enter(shown), moved], dim=1)))
        first = self.guess(found).float() * self.SCALE
        field = base_half + first
        looks = [sample_at(seen, field, size) for seen in (features, resize(photo, half))]
        found = self.head(self.again(torch.cat([found, *looks], dim=1)))
        second, planes = unfold(found).split(2, dim=1)
        return base + resize(first, size) + second * self.SCALE, planes


class _UNet(nn.Module):
    """From features of the first width to as many, at the same resolution."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_Halve(above, below) for above, below in pairs)
        self.up = nn.ModuleList(_Merge(above + below, above) for above, below in reversed(pairs))

    def forward(self, features: Tensor) -> Tensor:
        levels = []
        for layer in self.down:
            levels.append(features)
            features = layer(features)
        for layer in self.up:
            skip = levels.pop()
            features = F.interpolate(features, skip.shape[2:], mode="nearest")
            features = layer(torch.cat([features, skip], dim=1))
        return features


class _Halve(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(halve(self.conv, features)), LEAK)


class _Merge(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(features)), LEAK)
