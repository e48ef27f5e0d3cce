"""Discriminator: a conditional patch discriminator on an image and its pose."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.backbones.vgg19 import CONVOLUTIONS
from deformgan.heatmap import HeatmapKind, render_heatmaps
from deformgan.models.blocks import LEAK, Down, Norm, init_weights
from deformgan.models.feature_judge import FeaturedView, FeatureJudge
from deformgan.models.layers import at_most_rows
from deformgan.pair import View
from deformgan.skeletons.setting import read_skeleton_setting


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Configuration of a discriminator; the defaults are the paper's.

    Attributes:
        widths: Channels of each layer except the last, which has one.
        local_levels: Layers, counted from 0, whose features are judged as well, each pixel as a
            separate patch (ours: small texture patches in addition to the paper's large ones).
        norm: See `GeneratorConfig`.
        heatmap_sigma: In pixels.
        heatmap_kind: See `render_heatmaps`.
        skeleton: Skeleton of the poses; see `skeleton_setting`.
        background: Whether the intended background of the candidate is an input.
        rows: Image height at which the paper's patches are judged; taller images are downscaled
            to it. 0 judges images at their own size.
        fine_widths: Channels of an additional branch that judges small patches of images taller
            than `rows` at full resolution, from the candidate alone (ours: for texture). Empty
            disables it.
        feature_layers: VGG-19 layers, each with an additional `FeatureJudge` (ours).
        closeup_layers: The same for a window at full resolution of images taller than `rows`
            (ours: at `rows` rows a judge cannot see the finest texture).
        feature_width: Channels of all these heads.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    local_levels: tuple[int, ...] = ()
    norm: Norm = "instance"
    heatmap_sigma: float = 6.0
    heatmap_kind: HeatmapKind = "gaussian"
    skeleton: str = "openpose18"
    background: bool = False
    rows: int = 0
    fine_widths: tuple[int, ...] = ()
    feature_layers: tuple[str, ...] = ()
    closeup_layers: tuple[str, ...] = ()
    feature_width: int = 64

    def __post_init__(self):
        if self.rows < 0:
            raise ValueError(f"rows must not be negative, got {self.rows}")
        for name in ("fine_widths", "closeup_layers"):
            if getattr(self, name) and not self.rows:
                raise ValueError(f"{name} judge images of more than `rows` rows: set rows.")
        for name in ("feature_layers", "closeup_layers"):
            if any(layer not in CONVOLUTIONS for layer in getattr(self, name)):
                raise ValueError(
                    f"{name} must be among {', '.join(CONVOLUTIONS)}, got {getattr(self, name)}"
                )
        if self.feature_width < 1:
            raise ValueError(f"feature_width must be positive, got {self.feature_width}")


class Discriminator(nn.Module):
    """Conditional patch discriminator on four tensors: source, its pose, candidate, its pose.

    Source:
        Section 3 (Isola et al.'s patches). The first convolution is not padded, as in the authors'
        code: a 128x64 image yields 3 patches, a 256x256 image 49.
    """

    def __init__(self, config: DiscriminatorConfig = DiscriminatorConfig()):
        super().__init__()
        self.config = config
        joints = len(read_skeleton_setting(config.skeleton).joints)
        widths = config.widths
        inputs = 2 * (3 + joints) + (3 if config.background else 0)
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, stride=2)]
        for inputs, outputs in pairwise(widths):
            layers.append(Down(inputs, outputs, config.norm))
        layers.append(Down(widths[-1], 1, None))
        self.layers = nn.ModuleList(layers)
        self.local = nn.ModuleList(nn.Conv2d(widths[level], 1, 1) for level in config.local_levels)
        self.fine = nn.ModuleList()
        self.fine_local = nn.ModuleList()
        if config.fine_widths:
            self.fine.append(nn.Conv2d(3, config.fine_widths[0], 4, stride=2))
            # No normalization: it would hide the strength of texture, which blurred images lack.
            for inputs, outputs in pairwise(config.fine_widths):
                self.fine.append(Down(inputs, outputs, None))
            # With three widths, patches of about 10 and 22 pixels.
            self.fine_local.extend(nn.Conv2d(width, 1, 1) for width in config.fine_widths[-2:])
        self.by_features, self.by_closeup = (
            nn.ModuleDict(
                {
                    layer: FeatureJudge(CONVOLUTIONS[layer][0], joints, config.feature_width)
                    for layer in layers
                }
            )
            for layers in (config.feature_layers, config.closeup_layers)
        )
        init_weights(self)

    def forward(
        self,
        source: View,
        candidate: View,
        featured: FeaturedView | None = None,
        closeup: FeaturedView | None = None,
    ) -> tuple[Float[Tensor, "batch _"], ...]:
        """Judge the candidate.

        Args:
            source: The generator's input photo.
            candidate: A real or generated image with its intended pose and background.
            featured: The candidate at `rows` rows, perhaps shifted, with the features of
                `feature_layers`; None if there are none.
            closeup: A window of the candidate at full resolution with the features of
                `closeup_layers`; None if the candidate has at most `rows` rows.

        Returns:
            Logits, positive for "real", patches in row-major order: the paper's patches, then each
            local level, then the small patches of larger images, then each feature layer, then
            those of the window.
        """
        whole = candidate.image
        if rows := self.config.rows:
            source, candidate = (at_most_rows(view, rows) for view in (source, candidate))
        heatmaps = [self.heatmaps(view) for view in (source, candidate)]
        found = self.judge(
            source.image, heatmaps[0], candidate.image, heatmaps[1], candidate.background
        )
        logits = [found[-1]]
        for level, head in zip(self.config.local_levels, self.local, strict=True):
            logits.append(head(F.leaky_relu(found[level], LEAK)))
        if self.fine and whole.shape[2] > candidate.image.shape[2]:
            logits += self._judge_finely(whole)
        if self.by_features:
            if featured is None:
                layers = " and ".join(self.by_features)
                raise ValueError(f"this discriminator judges {layers} of VGG-19, got no features.")
            logits += self._judge_features(self.by_features, featured)
        if closeup is not None and self.by_closeup:
            logits += self._judge_features(self.by_closeup, closeup)
        return tuple(logit.flatten(1) for logit in logits)

    def _judge_finely(self, image: Tensor) -> list[Tensor]:
        features, found = image, []
        for layer in self.fine:
            features = layer(features)
            found.append(features)
        last = found[-len(self.fine_local) :]
        return [
            head(F.leaky_relu(level, LEAK))
            for head, level in zip(self.fine_local, last, strict=True)
        ]

    def _judge_features(self, judges: nn.ModuleDict, featured: FeaturedView) -> list[Tensor]:
        maps = self.heatmaps(featured.view)
        return [judge(featured.features[layer], maps) for layer, judge in judges.items()]

    @torch.no_grad()
    def heatmaps(self, view: View) -> Float[Tensor, "batch joints height width"]:
        """Render the heat maps of a view's pose at its image's size."""
        size = (view.image.shape[-2], view.image.shape[-1])
        return render_heatmaps(view.pose, size, self.config.heatmap_sigma, self.config.heatmap_kind)

    def judge(
        self,
        source: Float[Tensor, "batch 3 height width"],
        source_heatmaps: Float[Tensor, "batch joints height width"],
        candidate: Float[Tensor, "batch 3 height width"],
        candidate_heatmaps: Float[Tensor, "batch joints height width"],
        background: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Run the network and return every layer's features before the next activation."""
        shown = [source, source_heatmaps, candidate, candidate_heatmaps]
        if self.config.background:
            if background is None:
                raise ValueError("this discriminator needs the background of the candidate.")
            shown.append(background)
        features = torch.cat(shown, dim=1)
        found = []
        for layer in self.layers:
            features = layer(features)
            found.append(features)
        return found
