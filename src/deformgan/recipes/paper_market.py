"""The paper's four rows for Market-1501, exactly as published."""

from dataclasses import replace

from deformgan.losses.l1 import L1_WEIGHT
from deformgan.losses.nearest_neighbour import NEAREST_NEIGHBOUR_WEIGHT
from deformgan.losses.perceptual import PERCEPTUAL_WEIGHT
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.training.config import LossWeights, TrainConfig


def paper_market_full() -> TrainConfig:
    """Configure the paper's method: deformable skips and the nearest-neighbour loss.

    Two streams, ten parts, 61 M parameters; 90,000 steps of 4 pairs, Adam at 2e-4 without decay, no
    mirroring, no weight averaging. What the paper leaves open follows `paper.md` part 4:
    per-channel instance norm, bilinear warps, smooth heat maps, correct VGG means.

    Expect: SSIM 0.290, mask-SSIM 0.805, IS 3.185, mask-IS 3.502 on 12,000 test pairs (the paper's).
    Measured: not yet; needs a GPU (benchmarks/gpu-runs.md).
    """
    return TrainConfig(
        recipe="paper-market-full",
        generator=GeneratorConfig(),
        discriminator=DiscriminatorConfig(),
        weights=LossWeights(nearest_neighbour=NEAREST_NEIGHBOUR_WEIGHT),
        nearest_neighbour_window=3,
        batch_size=4,
        steps=90_000,
        precision="auto",
    )


def paper_market_percloss() -> TrainConfig:
    """Configure deformable skips with an elementwise loss on VGG-19's conv2_1 features.

    Expect: SSIM 0.276, mask-SSIM 0.788, IS 3.342, mask-IS 3.519 (the paper's).
    Measured: not yet; needs a GPU.
    """
    return replace(
        paper_market_full(),
        recipe="paper-market-percloss",
        weights=LossWeights(perceptual=PERCEPTUAL_WEIGHT),
    )


def paper_market_dsc() -> TrainConfig:
    """Configure deformable skips with an L1 loss on pixels.

    Expect: SSIM 0.272, mask-SSIM 0.796, IS 3.442, mask-IS 3.666 (the paper's).
    Measured: not yet; needs a GPU.
    """
    return replace(
        paper_market_full(), recipe="paper-market-dsc", weights=LossWeights(l1=L1_WEIGHT)
    )


def paper_market_baseline() -> TrainConfig:
    """Configure one stream for photo and both poses, plain skips, and an L1 loss on pixels.

    Expect: SSIM 0.256, mask-SSIM 0.784, IS 3.188, mask-IS 3.580 (the paper's).
    Measured: not yet; needs a GPU.
    """
    return replace(
        paper_market_dsc(),
        recipe="paper-market-baseline",
        generator=GeneratorConfig(streams=1, warp="none"),
    )
