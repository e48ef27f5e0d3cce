"""FeatureJudge: a patch discriminator on features of a frozen classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from deformgan.models.blocks import LEAK
from deformgan.pair import View


@dataclass(frozen=True)
class FeaturedView:
    """An image or a window of it, as a `FeatureJudge` needs it.

    Attributes:
        view: Its pose is in pixels of the window, and joints may lie outside.
        features: VGG-19 features of the view's image by layer, divided by the layer's mean.
    """

    view: View
    features: Mapping[str, Float[Tensor, "batch _ _ _"]]

    @staticmethod
    def cat(views: Sequence["FeaturedView"]) -> "FeaturedView":
        """Concatenate batches of equal size, without gradient."""
        return FeaturedView(
            View.cat([replace(one.view, image=one.view.image.detach()) for one in views]),
            {
                layer: torch.cat([featured.features[layer].detach() for featured in views])
                for layer in views[0].features
            },
        )


class FeatureJudge(nn.Module):
    """Small discriminator head on one layer of VGG-19, conditioned on the pose.

    Pretrained features already represent textures and limbs, so this head is useful after some
    hundred steps, where a discriminator that starts from pixels needs tens of thousands.

    Args:
        channels: Channels of the VGG-19 layer.
        joints: Number of heat maps of the intended pose.
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
        """Return the logits of patches, positive for "real".

        Args:
            features: Features after the layer's ReLU, divided by the layer's mean.
            heatmaps: Heat maps at the image's size.
        """
        stride = heatmaps.shape[2] // features.shape[2]
        if stride > 1:
            heatmaps = F.avg_pool2d(heatmaps, stride)
        # The logarithm compresses a few channels that exceed the mean a hundredfold.
        shown = torch.cat([torch.log1p(features), heatmaps], dim=1)
        found = F.leaky_relu(self.enter(shown), LEAK)
        return self.leave(F.leaky_relu(self.down(found), LEAK))
