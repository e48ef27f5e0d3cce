"""Our own recipes for rendered people alone, whose weights carry no data set's terms of use."""

from dataclasses import replace

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.recipes.pedestrian import in_a_scene, pedestrian, pedestrian_fields
from deformgan.training.config import LossWeights, TrainConfig


def synthetic_background() -> TrainConfig:
    """Configure `synthetic_base` with a background input; see `pedestrian_background`.

    Start from a run of it (`--init RUN`).

    Expect: outside the person half of `synthetic_base`'s error, inside it as much as before.
    Measured: not yet.
    """
    return in_a_scene(synthetic_base(), "synthetic-background")


def synthetic_base() -> TrainConfig:
    """Configure a generator of half `pedestrian_base`'s size, trained without photos of people.

    The trunk of `synthetic`. It is trained on `deformgan data synthesize` and compares colours
    instead of VGG-19's features, so its weights carry no third-party terms. Rendered people vary
    less than real ones, so it is smaller.

    Expect: on rendered people nearly as good as `pedestrian`; on photos less accurate poses.
    Measured: on rendered people SSIM 0.290, mask-SSIM 0.797, PCKh 0.819 (`pedestrian` 0.298, 0.798,
    0.939); on photos 0.206, 0.773, 0.704 (0.279, 0.809, 0.925); 2,200 steps, the last 700 with
    falling learning rate, 17,600 samples on one core in some 45 minutes (docs/model-card.md).
    """
    return TrainConfig(
        recipe="synthetic-base",
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


def synthetic_fields() -> TrainConfig:
    """Configure the training of `synthetic`'s fields alone; see `pedestrian_fields`.

    Use with `--data SET` of `deformgan data synthesize --size 256x128`.

    Expect: an error of about 3.5 px where the source shows the surface, half of the parts' alone.
    Measured: 3.74 px and .279 within 1.5 px of 6.54 and .167, visibility .861, matte IoU .812
    (2,600 steps, 41,600 samples in 40 minutes on one core; 40 rendered people held out;
    docs/log.md, 2026-12-01).
    """
    return replace(pedestrian_fields(), recipe="synthetic-fields", generator=_layered())


def synthetic() -> TrainConfig:
    """Configure the layered generator for rendered people alone, at 256 rows.

    The last of three runs: `synthetic_base`, `synthetic_fields`, and this one (`--init
    FIELDS/generator.safetensors --data SET256 TIGHT`); or continue from the bundled result (`--init
    synthetic`). It is `pedestrian` without photos and without VGG-19: discriminators judge pixels,
    at 128 rows and at full size.

    Expect: copies as sharp as the photo, and paint blurrier than `pedestrian`'s.
    Measured: on photos (CUHK03) identity .618, PCKh .779 and sharpness .509 (`pedestrian` .702,
    .905 and .685); 2,450 steps, 14,700 samples in 80 minutes on one core (docs/log.md, 2026-12-01).
    """
    layered = pedestrian()
    return replace(
        layered,
        recipe="synthetic",
        generator=_layered(),
        discriminator=DiscriminatorConfig(
            widths=(24, 48, 96, 192), local_levels=(1, 2), rows=128, fine_widths=(24, 48, 96)
        ),
        weights=LossWeights(
            adversarial=3.0,
            nearest_neighbour_pixels=0.5,
            person=4.0,
            ssim=4.0,
            flow=0.8,
            visible=2.0,
            matte=2.0,
            planes=2.0,
        ),
        trainable=(),
        shift=0,
        shares=(),
        rendered_share=0.0,
        learning_rate=3e-4,
    )


def _layered() -> GeneratorConfig:
    layers = LayersConfig(field_widths=(24, 48, 72, 80, 80))
    return replace(synthetic_base().generator, layers=layers)
