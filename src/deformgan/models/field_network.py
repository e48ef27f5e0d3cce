"""SourceLook, FieldNetwork: networks that correct the field of the parts' transforms."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.models.blocks import LEAK, halve
from deformgan.models.layers import resize, sample_at, unfold

FEATURES = 16  # source feature channels passed to every target
_GROUPS = 8  # of every group normalization


class SourceLook(nn.Module):
    """U-Net on the source photo alone: its person matte, and features to be warped by the field.

    Args:
        inputs: Channels of the input: the photo and maps of its pose.
        widths: Channels per level, half resolution first.
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
        """Return features at half the resolution, and logits of the source matte."""
        found = self.leave(self.net(self.enter(shown)))
        features, matte = found.split([FEATURES, 4], dim=1)
        return features, unfold(matte)


class FieldNetwork(nn.Module):
    """U-Net that corrects the field and predicts visibility and the target matte.

    It runs in two stages: source features are sampled with the parts' transforms for a first
    correction, and sampled again with the corrected field for the final one.

    Args:
        inputs: Channels of the input: maps of the target pose, the field so far, and the photo
            warped by it.
        widths: Channels per level, half resolution first.
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
        """Initialize all corrections to zero, so that the parts' transforms are the start."""
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
            shown: Input maps; see `inputs`.
            base: The field so far, in pixels.
            photo: The source photo.
            features: Features from `SourceLook`.

        Returns:
            The corrected field, and the logits of visibility and matte.
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
    """U-Net that keeps the resolution and the number of channels (the first width)."""

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
