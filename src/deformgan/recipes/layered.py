"""Layered recipes: sharp pictures at the photo's own size."""

from dataclasses import replace

from deformgan.models.layers import LayersConfig
from deformgan.recipes.pedestrian import pedestrian_small
from deformgan.training.config import LossWeights, TrainConfig


def layered() -> TrainConfig:
    """Sharp pictures: CUHK03 at 256x96, Market-1501 at 128x64, rendered people with truth.

    Give `--data CUHK03 MARKET --rendered SET` and `--init` of `layered-fields`' result.

    Expect: pictures as sharp as the photo wherever it shows what is asked for.
    Measured: not yet.
    """
    base = pedestrian_small()
    return replace(
        base,
        recipe="layered",
        generator=replace(base.generator, layers=LayersConfig()),
        discriminator=replace(
            base.discriminator,
            rows=128,
            local_levels=(),
            fine_widths=(24, 48, 96),
            feature_layers=("conv2_2", "conv3_2"),
        ),
        weights=LossWeights(
            adversarial=6.0,
            nearest_neighbour=0.003,
            features=0.03,
            person=4.0,
            ssim=4.0,
            identity=1.0,
            flow=0.2,
            visible=1.0,
            matte=1.0,
            planes=4.0,
        ),
        learns=("decoder.3.", "decoder.4.", "mix.", "head.", "detail.", "field.", "look."),
        batch_size=6,
        steps=2_200,
        decay_steps=700,
        ema_decay=0.999,
        flip=True,
        rendered_share=0.3,
        shares=(0.6, 0.4),
        precision="auto",
    )


def layered_small() -> TrainConfig:
    """`layered` in narrow: the base of an ablation of its layers on a CPU.

    Give `ablate layered-small --data MARKET --rendered SET --init pedestrian`. All variants share
    `pedestrian`'s trunk, which stays as it is, and learn the layers from nothing. Colours are
    compared without VGG-19, which would take most of the time; half of what is seen is rendered, so
    that a short run learns from truth what it can.

    Expect: ten minutes per variant on one core.
    Measured: docs/log.md, 2026-11-29.
    """
    base = layered()
    return replace(
        base,
        recipe="layered-small",
        generator=replace(
            base.generator,
            layers=LayersConfig(field_widths=(16, 32, 48, 48), detail_widths=(16, 8)),
        ),
        discriminator=replace(
            base.discriminator,
            widths=(16, 32, 64, 128),
            local_levels=(1,),
            fine_widths=(12, 24, 48),
            feature_layers=(),
        ),
        weights=LossWeights(
            adversarial=1.0,
            nearest_neighbour_pixels=0.5,
            person=4.0,
            flow=0.2,
            visible=1.0,
            matte=1.0,
            planes=4.0,
        ),
        learns=("mix.", "head.", "detail.", "field.", "look."),
        steps=500,
        decay_steps=150,
        learning_rate=5e-4,
        ema_decay=0.99,
        rendered_share=0.5,
        shares=(),
        log_every=25,
        save_every=250,
    )


def layered_fields() -> TrainConfig:
    """The fields of `layered` alone, from rendered people whose truth is known.

    Give `--data SET` of `deformgan data synthesize --size 256x128`, and `--init pedestrian`.

    Expect: an error of about 3 px where the source shows the surface, half of the parts' alone.
    Measured: 3.12 px and .393 within 1.5 px of 6.49 and .188, visibility .874, matte IoU .833
    (`layered-fields`; 200 pairs of 40 rendered people held out; docs/log.md, 2026-11-29).
    """
    base = pedestrian_small()
    return replace(
        base,
        recipe="layered-fields",
        generator=replace(base.generator, layers=LayersConfig()),
        weights=LossWeights(adversarial=0.0, flow=0.2, visible=1.0, matte=1.0),
        learns=("field.", "look."),
        batch_size=16,
        steps=4_800,
        decay_steps=1_800,
        learning_rate=1e-3,
        betas=(0.9, 0.99),
        gradient_clip=1.0,
        ema_decay=0.999,
        flip=True,
        precision="auto",
    )
