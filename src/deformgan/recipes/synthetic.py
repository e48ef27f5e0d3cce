"""Our own recipes for rendered people alone, whose weights carry no data set's terms of use."""

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.recipes.pedestrian import in_a_scene
from deformgan.training.config import LossWeights, TrainConfig


def synthetic_background() -> TrainConfig:
    """Configure `synthetic` with a background input; see `pedestrian_background`.

    Start from `synthetic` (`--init synthetic`).

    Expect: outside the person half of `synthetic`'s error, inside it as much as before.
    Measured: not yet.
    """
    return in_a_scene(synthetic(), "synthetic-background")


def synthetic() -> TrainConfig:
    """Configure a generator of half `pedestrian_base`'s size, trained without photos of people.

    It is trained on `deformgan data synthesize` and compares colours instead of VGG-19's features,
    so its weights carry no third-party terms. Rendered people vary less than real ones, so it is
    smaller.

    Expect: on rendered people nearly as good as `pedestrian`; on photos less accurate poses.
    Measured: on rendered people SSIM 0.290, mask-SSIM 0.797, PCKh 0.819 (`pedestrian` 0.298, 0.798,
    0.939); on photos 0.206, 0.773, 0.704 (0.279, 0.809, 0.925); 2,200 steps, the last 700 with
    falling learning rate, 17,600 samples on one core in some 45 minutes (docs/model-card.md).
    """
    return TrainConfig(
        recipe="synthetic",
        generator=GeneratorConfig(
            encoder_widths=(16, 32, 64, 128, 128, 128),
            decoder_widths=(128, 128, 64, 32, 16),
            upsampling="resize",
            blend=True,
        ),
        discriminator=DiscriminatorConfig(widths=(24, 48, 96, 192), local_levels=(1, 2)),
        weights=LossWeights(adversarial=2.0, nearest_neighbour_pixels=0.5, person=4.0, ssim=10.0),
        nearest_neighbour_window=3,
        batch_size=8,
        steps=8_000,
        learning_rate=3e-4,
        ema_decay=0.999,
        flip=True,
        rendered_share=0.4,
        precision="auto",
    )
