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
        discriminator=replace(base.discriminator, rows=128, fine_widths=(24, 48, 96)),
        weights=LossWeights(
            adversarial=2.0,
            nearest_neighbour=0.01,
            features=0.002,
            person=4.0,
            ssim=6.0,
            identity=2.0,
            flow=0.2,
            visible=1.0,
            matte=1.0,
            planes=4.0,
        ),
        batch_size=6,
        steps=16_000,
        decay_steps=4_000,
        ema_decay=0.999,
        flip=True,
        rendered_share=0.3,
        shares=(0.6, 0.4),
        precision="auto",
    )


def layered_fields() -> TrainConfig:
    """The fields of `layered` alone, from rendered people whose truth is known.

    Give `--data SET` of `deformgan data synthesize --size 256x128`, and `--init pedestrian`.

    Expect: errors of a pixel or two where the source shows the surface.
    Measured: not yet.
    """
    base = pedestrian_small()
    return replace(
        base,
        recipe="layered-fields",
        generator=replace(base.generator, layers=LayersConfig()),
        weights=LossWeights(adversarial=0.0, flow=0.2, visible=1.0, matte=1.0),
        learns=("field.", "look."),
        batch_size=16,
        steps=6_000,
        decay_steps=2_000,
        learning_rate=1e-3,
        betas=(0.9, 0.99),
        gradient_clip=1.0,
        ema_decay=0.999,
        flip=True,
        precision="float32",
    )
