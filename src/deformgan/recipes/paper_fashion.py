"""The paper's four rows for DeepFashion at 256x256, exactly as published."""

from dataclasses import replace

from deformgan.losses.l1 import L1_WEIGHT
from deformgan.losses.nearest_neighbour import NEAREST_NEIGHBOUR_WEIGHT
from deformgan.losses.perceptual import PERCEPTUAL_WEIGHT
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.training.config import LossWeights, TrainConfig

# One level more than at 128x64.
ENCODER_WIDTHS = (64, 128, 256, 512, 512, 512, 512)
DECODER_WIDTHS = (512, 512, 512, 512, 256, 128)


def paper_fashion_full() -> TrainConfig:
    """Configure the paper's method: deformable skips and the nearest-neighbour loss.

    Search windows of 5, batches of 2, 82 M parameters, 90,000 steps; otherwise as in
    `paper_market`.

    Expect: SSIM 0.756, IS 3.439 (the paper's).
    Measured: not measured; the training images are not available. Two steps run on rendered people.
    """
    return TrainConfig(
        recipe="paper-fashion-full",
        generator=GeneratorConfig(encoder_widths=ENCODER_WIDTHS, decoder_widths=DECODER_WIDTHS),
        discriminator=DiscriminatorConfig(),
        weights=LossWeights(nearest_neighbour=NEAREST_NEIGHBOUR_WEIGHT),
        nearest_neighbour_window=5,
        batch_size=2,
        steps=90_000,
        precision="auto",
    )


def paper_fashion_percloss() -> TrainConfig:
    """Configure deformable skips with an elementwise loss on VGG-19's conv2_1 features.

    Expect: SSIM 0.744, IS 3.271 (the paper's).
    Measured: not measured, see `paper_fashion_full`.
    """
    return replace(
        paper_fashion_full(),
        recipe="paper-fashion-percloss",
        weights=LossWeights(perceptual=PERCEPTUAL_WEIGHT),
        batch_size=4,
    )


def paper_fashion_dsc() -> TrainConfig:
    """Configure deformable skips with an L1 loss on pixels.

    Expect: SSIM 0.754, IS 3.352 (the paper's).
    Measured: not measured, see `paper_fashion_full`.
    """
    return replace(
        paper_fashion_percloss(), recipe="paper-fashion-dsc", weights=LossWeights(l1=L1_WEIGHT)
    )


def paper_fashion_baseline() -> TrainConfig:
    """Configure one stream for photo and both poses, plain skips, and an L1 loss on pixels.

    Expect: SSIM 0.754, IS 3.351 (the paper's).
    Measured: not measured, see `paper_fashion_full`.
    """
    whole = paper_fashion_dsc()
    return replace(
        whole,
        recipe="paper-fashion-baseline",
        generator=replace(whole.generator, streams=1, warp="none"),
    )
