"""Our own recipes for pedestrians at 128x64."""

from dataclasses import replace

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.training.config import LossWeights, TrainConfig

# At 7 the term's gradient in the picture is as long as the adversarial one's: at 4 it was 0.43
# against 0.74 in four batches of the bundled generator.
IDENTITY = 7.0

# What a background changes: how the target stream begins, and the decoder's last two blocks.
NEAR_THE_PICTURE = (
    *("target_encoder.0.", "target_encoder.1.", "target_encoder.2."),
    *("decoder.3.", "decoder.4.", "mix.", "head."),
)


def pedestrian() -> TrainConfig:
    """`pedestrian_small` for a GPU: batches of 32, as many samples as the paper's 90,000 steps saw.

    Expect: SSIM above 0.29, mask-SSIM above 0.805 on identities never trained on.
    Measured: not yet; it needs a GPU (benchmarks/gpu-runs.md).
    """
    return replace(
        pedestrian_small(), recipe="pedestrian", batch_size=32, steps=11_250, decay_steps=1_500
    )


def pedestrian_small() -> TrainConfig:
    """The method at 6.6 M parameters, for two CPU cores and some hours; bundled as `pedestrian`.

    The paper's layout at three eighths of its width and its nearest-neighbour loss. Beyond the
    paper: an up-sampling that leaves no checkerboard, the warped photo blended in, an average of
    the weights, small patches judged beside the large ones, SSIM as a further loss, and the person
    counting four times as much as the background (docs/log.md tells what each of them gained).

    Expect: SSIM about 0.29, mask-SSIM about 0.81 on identities never trained on after 60,000
    samples.
    Measured: 0.292 and 0.812, PCKh 0.937, identity 0.711 (500 pairs of the 100 test identities,
    60,000 samples in stages on one core; docs/log.md, 2026-11-23).
    """
    return TrainConfig(
        recipe="pedestrian-small",
        generator=GeneratorConfig(
            encoder_widths=(24, 48, 96, 192, 192, 192),
            decoder_widths=(192, 192, 128, 64, 32),
            upsampling="resize",
            blend=True,
        ),
        discriminator=DiscriminatorConfig(widths=(32, 64, 128, 256), local_levels=(1, 2)),
        weights=LossWeights(adversarial=2.0, nearest_neighbour=0.01, person=4.0, ssim=20.0),
        nearest_neighbour_window=3,
        batch_size=6,
        steps=16_000,
        decay_steps=2_000,
        ema_decay=0.999,
        flip=True,
        rendered_share=0.16,
        precision="auto",
    )


def pedestrian_background() -> TrainConfig:
    """`pedestrian_small` in a scene that is given: a background photo goes in beside the pose.

    Start from `pedestrian` (`--init pedestrian --data MARKET --rendered SET`), of which it changes
    only what is near the picture's resolution: how the person is moved stays, and what is new is
    small enough to be bundled beside it. Half of what it learns from is rendered, where the scene
    is known; of Market's photos the person is cut out and the hole filled.

    Expect: outside the person half of `pedestrian`'s error, inside it as much as before.
    Measured: L1 outside 0.049 (without a scene 0.301), inside 0.259 (0.260), on 400 pairs of
    rendered people held out (docs/background.md).
    """
    scene = in_a_scene(pedestrian_small(), "pedestrian-background")
    return replace(scene, batch_size=8, rendered_share=0.5)


def in_a_scene(base: TrainConfig, recipe: str) -> TrainConfig:
    """Gives the short run that teaches a recipe's generator to paint in a given scene.

    Args:
        base: What the generator was trained by; the run starts from its weights.
        recipe: The new name.
    """
    return replace(
        base,
        recipe=recipe,
        generator=replace(base.generator, background=True),
        discriminator=replace(base.discriminator, background=True),
        learns=NEAR_THE_PICTURE,
        steps=1_500,
        decay_steps=400,
        ema_decay=0.995,
    )


def pedestrian_reid() -> TrainConfig:
    """`pedestrian_small` with a Re-ID network's judgement as a further loss, for `reid augment`.

    It is the rival that the TPAMI version beats by construction: a generator that is told to please
    Re-ID. Start from `pedestrian` (`--init pedestrian --steps 500 --decay-steps 200`).

    Expect: a higher identity score by the bundled network, which the loss asks for; OSNet's, which
    it does not, as it was (0.711); SSIM a little lower.
    Measured: not yet (benchmarks/gpu-runs.md).
    """
    small = pedestrian_small()
    return replace(
        small, recipe="pedestrian-reid", weights=replace(small.weights, identity=IDENTITY)
    )
