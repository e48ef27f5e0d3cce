"""Pose18Network: a small heat map network for the 18 joints of `openpose18` and torso centres."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.backbones.residual import Residual, conv
from deformgan.backbones.weights_file import read_network
from deformgan.backbones.weights_header import build_network, parse_config, parse_metadata
from deformgan.files import bundled
from deformgan.skeletons.openpose18 import OPENPOSE18

BUNDLED = bundled("weights/pose18.safetensors")
KIND = "pose18"  # in a file's metadata

CROP = (128, 96)  # height and width of a crop of a person, multiples of 32
STRIDE = 4  # pixels of the image per cell of a heat map


@dataclass(frozen=True)
class Pose18Config:
    """Size of the network.

    Attributes:
        widths: Channels at strides 2, 4, 8, 16 and 32.
        blocks: Residual blocks at strides 4, 8, 16 and 32.
        neck: Channels of the top-down path from stride 32 to stride 4.
    """

    widths: tuple[int, ...] = (16, 32, 64, 112, 160)
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    neck: int = 40


class Pose18Network(nn.Module):
    """A network that predicts for every cell which joint it contains, and whether a torso's centre.

    It is a fully convolutional feature pyramid: down to stride 32, where a person is three cells
    high, and back up by addition. It is applied to crops, for joints, and to whole photos, for
    people.

    Source:
        The layout is Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, with
        the heads of Xiao et al., "Simple Baselines for Human Pose Estimation", ECCV 2018.
    """

    def __init__(self, config: Pose18Config):
        super().__init__()
        self.config = config
        stem, *widths = config.widths
        self.stem = conv(3, stem, stride=2)
        before = [stem, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv(inputs, outputs, stride=2), *(Residual(outputs) for _ in range(count))
            )
            for inputs, outputs, count in zip(before, widths, config.blocks, strict=False)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, config.neck, 1) for width in widths)
        self.smooth = nn.Sequential(conv(config.neck, config.neck), conv(config.neck, config.neck))
        self.head = nn.Conv2d(config.neck, len(OPENPOSE18.joints) + 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -4.0)  # joints are rare: most cells contain none

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch maps height//4 width//4"]:
        """Compute logits: one map per joint of `openpose18`, then one of torso centres.

        Args:
            images: RGB in [-1, 1]; height and width are multiples of 32.
        """
        features = self.stem(images)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        top = None
        for level, lateral in zip(reversed(levels), reversed(self.laterals), strict=True):
            side = lateral(level)
            top = side if top is None else side + F.interpolate(top, scale_factor=2.0)
        assert top is not None
        return self.head(self.smooth(top))


def fold_norms(network: Pose18Network) -> Pose18Network:
    """Fold every batch norm into the preceding convolution, for equal results in fewer steps.

    Args:
        network: In evaluation mode; changed in place.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                conv, norm = module[index], module[index + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[index] = torch.nn.utils.fuse_conv_bn_eval(conv, norm)
                    module[index + 1] = nn.Identity()
    return network


@cache
def load_network(path: Path) -> tuple[Pose18Network, dict[str, Any]]:
    """Load a network, ready for inference, and its metadata.

    Args:
        path: A .safetensors file written by `tools/pose18.py`.
    """
    state, described = read_network(path, KIND, "pose18 detector")
    config = parse_config(path, described, Pose18Config)
    network = build_network(path, lambda: Pose18Network(config), state)
    return fold_norms(network.eval()), parse_metadata(path, described)
