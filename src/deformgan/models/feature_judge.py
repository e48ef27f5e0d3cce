"""FeatureJudge: judges patches by features of a frozen classifier instead of by their pixels."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from deformgan.models.blocks import LEAK


class FeatureJudge(nn.Module):
    """A small head on one layer of VGG-19 that judges whether a view is a photo in its pose.

    A discriminator that begins with features that know textures and limbs is a useful judge after
    some hundred steps, where one that begins with pixels needs tens of thousands.

    Args:
        channels: Of the layer.
        joints: Heat maps of the pose that the view should have.
        width: Channels of the head.

    Source:
        Sauer et al., "Projected GANs Converge Faster", 2021, without its random projections.
    """

    def __init__(self, channels: int, joints: int, width: int):
        super().__init__()
        self.enter = spectral_norm(nn.Conv2d(channels + joints, width, 1))
        self.down = spectral_norm(nn.Conv2d(width, width, 4, stride=2, padding=1))
        self.leave = spectral_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(
        self,
        features: Float[Tensor, "batch channels height width"],
        heatmaps: Float[Tensor, "batch joints rows columns"],
    ) -> Float[Tensor, "batch 1 height//2 width//2"]:
        """Return the logits of patches, above 0 for "real".

        Args:
            features: After the layer's ReLU, 1 on average.
            heatmaps: At the image's size.
        """
        stride = heatmaps.shape[2] // features.shape[2]
        if stride > 1:
            heatmaps = F.avg_pool2d(heatmaps, stride)
        # A few channels are a hundred times the mean.
        shown = torch.cat([torch.log1p(features), heatmaps], dim=1)
        found = F.leaky_relu(self.enter(shown), LEAK)
        return self.leave(F.leaky_relu(self.down(found), LEAK))
