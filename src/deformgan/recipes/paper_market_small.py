"""The paper's method at a size that a CPU can train, for comparing its variants."""

from dataclasses import replace

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.recipes.paper_market import paper_market_full
from deformgan.training.config import TrainConfig


def paper_market_small() -> TrainConfig:
    """Configure `paper_market_full` at a quarter of its width: the base of an ablation on a CPU.

    The paper's layout and losses. Besides the width, it differs from the paper in settings that
    help a short run: batches of 8, mirrored pairs, and an average of the weights.

    Expect: the paper's order of rows at lower scores; it sees a hundredth of the paper's samples.
    Measured: SSIM 0.136, mask-SSIM 0.734 (dsc 0.174, 0.765; baseline 0.130, 0.736; percloss 0.111,
    0.720) after 400 steps on one core, 500 pairs of the test identities (docs/log.md, 2026-11-23).
    """
    return replace(
        paper_market_full(),
        recipe="paper-market-small",
        generator=GeneratorConfig(
            encoder_widths=(16, 32, 64, 128, 128, 128), decoder_widths=(128, 128, 128, 64, 32)
        ),
        discriminator=DiscriminatorConfig(widths=(24, 48, 96, 192)),
        batch_size=8,
        steps=750,
        ema_decay=0.999,
        flip=True,
        log_every=25,
        save_every=250,
    )
