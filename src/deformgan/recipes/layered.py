"""Base run for an ablation of the layers."""

from dataclasses import replace

from deformgan.models.layers import LayersConfig
from deformgan.recipes.pedestrian import pedestrian
from deformgan.training.config import LossWeights, TrainConfig


def layered_small() -> TrainConfig:
    """Configure a narrow `pedestrian`: the base run for an ablation of its layers on a CPU.

    Use with `ablate --recipe layered-small --data CUHK03 --rendered TIGHT --init pedestrian-base`.
    All variants share the frozen trunk of `pedestrian-base` and train the layers from scratch.
    Colours are compared without VGG-19, which would dominate the run time. Half of the samples are
    rendered, so that a short run makes the most of their known truth.

    Expect: ten minutes per variant on one core.
    Measured: docs/log.md, 2026-11-29.
    """
    base = pedestrian()
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
            closeup_layers=(),
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
        trainable=("mix.", "head.", "detail.", "field.", "look."),
        steps=500,
        decay_steps=150,
        learning_rate=5e-4,
        ema_decay=0.99,
        rendered_share=0.5,
        shares=(),
        log_every=25,
        save_every=250,
    )
