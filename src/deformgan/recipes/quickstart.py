"""A two-minute demonstration of training on bundled data."""

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.training.config import LossWeights, TrainConfig


def quickstart() -> TrainConfig:
    """Configure a small generator trained on the bundled people, without other data or weights.

    The nearest-neighbour loss compares colours, since VGG-19 is not bundled.

    Expect: bodies in the target poses with the colours and patterns of their clothes after two and
    a half minutes on two cores; faces, turned people and backgrounds stay blurred.
    Measured: as expected, 143 s in all, 13 samples/s (docs/log.md, 2026-11-23).
    """
    return TrainConfig(
        recipe="quickstart",
        generator=GeneratorConfig(
            encoder_widths=(12, 24, 48, 96, 96, 96),
            decoder_widths=(96, 96, 48, 24, 12),
            upsampling="resize",
            blend=True,
        ),
        discriminator=DiscriminatorConfig(widths=(16, 32, 64, 128)),
        weights=LossWeights(nearest_neighbour_pixels=0.5),
        nearest_neighbour_window=3,
        batch_size=8,
        steps=220,
        learning_rate=5e-4,
        ema_decay=0.99,
        flip=True,
        log_every=20,
        save_every=20,
    )
