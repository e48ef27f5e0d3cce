"""Our own recipes for pedestrians at 128x64."""

from dataclasses import replace

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.training.config import LossWeights, TrainConfig

# At 7 the norm of this term's gradient in the picture equals that of the adversarial term: at 4 it
# was 0.43 against 0.74 in four batches of the bundled generator.
IDENTITY = 7.0

# Weights affected by a background: the start of the target stream, and the last decoder blocks.
NEAR_THE_PICTURE = (
    *("target_encoder.0.", "target_encoder.1.", "target_encoder.2."),
    *("decoder.3.", "decoder.4.", "mix.", "head."),
)

# Weights of a layered generator that are trained on top of a trunk: all but the levels below an
# eighth of the network's size.
BUT_THE_DEEPEST = (
    *(f"{stream}_encoder.{level}." for stream in ("source", "target") for level in range(4)),
    *(f"decoder.{level}." for level in range(1, 5)),
    *("mix.", "head.", "detail.", "field.", "look."),
)


def pedestrian_base() -> TrainConfig:
    """Configure the method at 6.6 M parameters, for some hours on two CPU cores.

    The trunk of `pedestrian`: the paper's layout at three eighths of its width, with its
    nearest-neighbour loss. Beyond the paper: upsampling without checkerboard artifacts, the warped
    photo blended in, an average of the weights, small patches judged in addition to the large ones,
    SSIM as an additional loss, and a weight of four on pixels of the person (docs/log.md has the
    gain of each).

    Expect: SSIM about 0.29, mask-SSIM about 0.81 on identities never trained on after 60,000
    samples.
    Measured: 0.292 and 0.812, PCKh 0.937, identity 0.711 (500 pairs of the 100 test identities,
    60,000 samples in stages on one core; docs/log.md, 2026-11-23).
    """
    return TrainConfig(
        recipe="pedestrian-base",
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


def pedestrian_fields() -> TrainConfig:
    """Configure the training of `pedestrian`'s fields alone, on rendered people with known truth.

    Use with `--data SET` of `deformgan data synthesize --size 256x128`, and `--init
    pedestrian-base`.

    Expect: an error of about 3 px where the source shows the surface, half of the parts' alone.
    Measured: 3.12 px and .393 within 1.5 px of 6.49 and .188, visibility .874, matte IoU .833
    (`pedestrian-fields`; 200 pairs of 40 rendered people held out; docs/log.md, 2026-11-29).
    """
    base = pedestrian_base()
    return replace(
        base,
        recipe="pedestrian-fields",
        generator=replace(base.generator, layers=LayersConfig()),
        weights=LossWeights(adversarial=0.0, flow=0.2, visible=1.0, matte=1.0),
        trainable=("field.", "look."),
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


def pedestrian() -> TrainConfig:
    """Configure the layered generator: CUHK03 at 256x96, Market-1501 at 128x64, rendered people.

    The last of three runs: start from `pedestrian_fields` (`--init FIELDS/generator.safetensors
    --data CUHK03 MARKET --rendered SET256 TIGHT`), or continue from the bundled result (`--init
    pedestrian`, or `--init RUN` with its discriminator). The deepest levels of `pedestrian_base`
    are frozen. The networks that paint, copy and choose between both are trained at 256 rows, with
    discriminators on VGG-19's features.

    Expect: pictures as sharp as the photo wherever it shows the required surface.
    Measured: docs/log.md, 2026-12-01, and 2026-11-30 (fewer weights trained, at twice the rate).
    """
    base = pedestrian_base()
    return replace(
        base,
        recipe="pedestrian",
        generator=replace(base.generator, layers=LayersConfig()),
        discriminator=replace(
            base.discriminator,
            rows=128,
            local_levels=(),
            fine_widths=(24, 48, 96),
            feature_layers=("conv2_2", "conv3_2"),
            closeup_layers=("conv2_2",),
        ),
        weights=LossWeights(
            adversarial=6.0,
            nearest_neighbour=0.003,
            features=0.03,
            person=4.0,
            ssim=4.0,
            identity=1.0,
            pose=0.5,
            flow=0.8,
            visible=2.0,
            matte=2.0,
            photo_matte=2.0,
            planes=2.0,
        ),
        trainable=BUT_THE_DEEPEST,
        batch_size=6,
        steps=4_000,
        decay_steps=1_400,
        learning_rate=2e-4,
        ema_decay=0.998,
        shift=4,
        flip=True,
        rendered_share=0.45,
        shares=(0.6, 0.4),
        precision="auto",
    )


def pedestrian_background() -> TrainConfig:
    """Configure `pedestrian_base` with a background photo as additional input beside the pose.

    Start from it (`--init pedestrian-base --data MARKET --rendered SET`). The run trains only
    weights near the picture's resolution: the motion of the person is unchanged, and the new
    weights are small enough to be bundled separately. Half of the samples are rendered, where the
    background is known; Market's backgrounds are photos with the person removed and the hole
    filled.

    Expect: outside the person half of `pedestrian_base`'s error, inside it as much as before.
    Measured: L1 outside 0.049 (without a scene 0.301), inside 0.259 (0.260), on 400 pairs of
    rendered people held out (docs/background.md).
    """
    scene = in_a_scene(pedestrian_base(), "pedestrian-background")
    return replace(scene, batch_size=8, rendered_share=0.5)


def in_a_scene(base: TrainConfig, recipe: str) -> TrainConfig:
    """Return the short run that adds a background input to a recipe's generator.

    Args:
        base: The run that trained the generator; the new run starts from its weights.
        recipe: Name of the new recipe.
    """
    return replace(
        base,
        recipe=recipe,
        generator=replace(base.generator, background=True),
        discriminator=replace(base.discriminator, background=True),
        trainable=NEAR_THE_PICTURE,
        steps=1_500,
        decay_steps=400,
        ema_decay=0.995,
    )


def pedestrian_reid() -> TrainConfig:
    """Configure `pedestrian_base` with the distance of Re-ID embeddings as additional loss.

    For `reid augment`: the competing method of the TPAMI version, a generator trained for Re-ID.
    Start from `pedestrian` (`--init pedestrian --steps 500 --decay-steps 200`).

    Expect: a higher identity score by the bundled network, which the loss optimizes; OSNet's, which
    it does not, unchanged (0.711); SSIM a little lower.
    Measured: not yet (benchmarks/gpu-runs.md).
    """
    small = pedestrian_base()
    return replace(
        small, recipe="pedestrian-reid", weights=replace(small.weights, identity=IDENTITY)
    )
