"""TrainConfig: the complete configuration of a run."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

from deformgan.backbones.vgg19 import ChannelOrder
from deformgan.device import Precision
from deformgan.errors import InputError
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.setting import read_skeleton_setting


@dataclass(frozen=True)
class LossWeights:
    """Weights of the generator's loss terms; a term of weight 0 is not computed.

    Attributes:
        adversarial: Adversarial loss.
        nearest_neighbour: Nearest-neighbour loss on VGG-19 conv1_2 (the paper's lambda, for the
            original Oxford weights; converted for others).
        nearest_neighbour_pixels: Nearest-neighbour loss on colours in 0..255; needs no outside
            weights.
        l1: L1 loss on pixels.
        l2: L2 loss on pixels.
        perceptual: Perceptual loss on VGG-19 conv2_1.
        ssim: 1 - SSIM (ours).
        identity: 1 - cosine similarity of the bundled Re-ID network's embeddings (the competing
            method of the paper: a generator trained for Re-ID).
        pose: Divergence of the bundled pose detector's heat maps (ours), for `openpose18` only.
        features: Perceptual loss on VGG-19 conv3_2 (ours: tolerates a shift of a pixel or two).
        flow: Error of a layered generator's field against known truth, in pixels at the network's
            size, over surface that the source shows or that is matched through the body.
        visible: Cross entropy of the visibility against known truth.
        matte: Cross entropy of both mattes against known truth.
        photo_matte: Cross entropy of the matte against the one that the averaged generator predicts
            for the target photo itself, for photos, which have no known truth (ours).
        planes: L1 loss of paint and scene separately, against known truth.
        bend: Bends of the field, in pixels at the network's size, where its copies are not of the
            surface itself.
        person: Weight of a person pixel in the nearest-neighbour terms, relative to 1 for a
            background pixel (ours: the target's background cannot be predicted).
    """

    adversarial: float = 1.0
    nearest_neighbour: float = 0.0
    nearest_neighbour_pixels: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    perceptual: float = 0.0
    ssim: float = 0.0
    identity: float = 0.0
    pose: float = 0.0
    features: float = 0.0
    flow: float = 0.0
    visible: float = 0.0
    matte: float = 0.0
    photo_matte: float = 0.0
    planes: float = 0.0
    bend: float = 0.0
    person: float = 1.0

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not any(value for name, value in asdict(self).items() if name != "person"):
            raise ValueError("at least one weight must be positive")

    @property
    def vgg_layers(self) -> tuple[str, ...]:
        """VGG-19 layers that the loss terms need."""
        terms = {
            "conv1_2": self.nearest_neighbour,
            "conv2_1": self.perceptual,
            "conv3_2": self.features,
        }
        return tuple(layer for layer, weight in terms.items() if weight)

    @property
    def of_layers(self) -> tuple[str, ...]:
        """Loss terms on the layers of a generator, most of them with known truth."""
        names = ("flow", "visible", "matte", "photo_matte", "planes", "bend")
        return tuple(name for name in names if getattr(self, name))

    @property
    def of_opacity(self) -> bool:
        """Whether the opacities of the layers are trained on known truth."""
        return bool(self.visible or self.matte)

    @property
    def of_pictures(self) -> bool:
        """Whether any term needs the generated picture, not only fields with known truth."""
        fields = ("flow", "visible", "matte", "person")
        return any(value for name, value in asdict(self).items() if name not in fields)


MOST_SHIFT = 8  # the coarsest grid of the networks that look at shifted images


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a run; with equal data and code it is reproducible on one machine.

    Attributes:
        recipe: Name of the run, for records.
        generator: Configuration of the generator.
        discriminator: Configuration of the discriminator.
        weights: Weights of the loss terms.
        nearest_neighbour_window: n of the n x n neighbourhood.
        vgg_channel_order: "reference" swaps VGG-19's means of red and blue as the authors' code
            does, see `Vgg19Features`.
        adversarial_epsilon: Added to probabilities before the logarithm; the authors use 1e-7.
        draws: Batches per step: 1 shared by all losses, or the authors' 3: real photos for the
            discriminator, generated images for the discriminator, and the generator's own batch.
        batch_size: Pairs per step, over all processes.
        steps: Discriminator steps, and as many generator steps.
        learning_rate: Adam's learning rate, for both networks.
        decay_steps: Number of final steps in which the learning rate falls linearly to 0; 0 keeps
            it constant.
        betas: Adam's betas.
        ema_decay: Decay of the exponential moving average of the generator's weights, which is the
            result; 0 keeps the last weights.
        gradient_clip: Largest norm of a network's gradient; 0 disables clipping.
        flip: Whether to mirror every second pair.
        trainable: Name prefixes of the generator's weights to train, such as "decoder.4"; the
            others are frozen. By default all are trained.
        rendered_share: Share of rendered people in every batch, if a rendered set is given; the
            share of batches if the sets have different sizes or the generator has layers, since
            then each batch comes from one set.
        shares: Relative shares of the sets of photos; by default equal.
        through: Opacity, in [0, 1), that the copy is taught where the source shows only the other
            side of the same cloth or hair, matched through the body; 1 is taught where it shows
            the surface itself, 0 elsewhere. From 0.5 on, such copies are preferred to paint, and
            yield to another photo that shows the surface (`combine`).
        shift: Largest random shift in pixels, each way, of generated and true image before losses
            and judges on features compare them; see `random_shift`.
        precision: Precision of convolutions; weights, losses and warps stay in float32. "auto"
            selects bfloat16 where the device supports it natively (emulation is some fifty times
            slower).
        compile: Whether to use torch.compile for both networks; requires a compiler.
        seed: Random seed of weights, order of pairs, flips and dropout.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and sample grids.
        keep: Number of latest checkpoints to keep.
    """

    recipe: str
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    weights: LossWeights
    nearest_neighbour_window: int = 3
    vgg_channel_order: ChannelOrder = "correct"
    adversarial_epsilon: float = 0.0
    draws: Literal[1, 3] = 1
    batch_size: int = 4
    steps: int = 90_000
    learning_rate: float = 2e-4
    decay_steps: int = 0
    betas: tuple[float, float] = (0.5, 0.999)
    ema_decay: float = 0.0
    gradient_clip: float = 0.0
    flip: bool = False
    trainable: tuple[str, ...] = ()
    rendered_share: float = 0.0
    shares: tuple[float, ...] = ()
    through: float = 0.0
    shift: int = 0
    precision: Precision = "float32"
    compile: bool = False
    seed: int = 0
    log_every: int = 50
    save_every: int = 500
    keep: int = 2

    def __post_init__(self):
        for name in ("batch_size", "steps", "learning_rate", "log_every", "save_every", "keep"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be positive, got {value}")
        for name in ("adversarial_epsilon", "gradient_clip", "seed", "decay_steps", "shift"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must not be negative, got {value}")
        if self.shift > MOST_SHIFT:
            raise ValueError(f"shift must be at most {MOST_SHIFT}, got {self.shift}")
        for name in ("ema_decay", "rendered_share", "through"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value}")
        if not all(0 < share < math.inf for share in self.shares):
            raise ValueError(f"shares must be positive, got {self.shares}")
        layers = self.generator.layers
        if layers is None and self.weights.of_layers:
            raise ValueError(
                f"weights of {' and '.join(self.weights.of_layers)} need a generator with "
                "layers: set generator.layers, or these weights to 0"
            )
        if layers is not None and not (self.weights.of_pictures or layers.correction):
            raise ValueError("a field without correction has no weights: set layers.correction")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be at least 0 and below 1, got {self.betas}")
        window = self.nearest_neighbour_window
        if window < 1 or window % 2 == 0:
            raise ValueError(f"nearest_neighbour_window must be odd and positive, got {window}")
        for network in (self.generator, self.discriminator):
            try:
                read_skeleton_setting(network.skeleton)
            except InputError:
                raise ValueError(
                    f"skeleton must be {', '.join(SKELETONS)}, or a file's by --skeleton, got "
                    f"{network.skeleton}"
                ) from None
        if self.weights.pose and self.generator.skeleton != "openpose18":
            raise ValueError("weights.pose needs skeleton openpose18, the bundled detector's")
        if self.discriminator.background and not self.generator.background:
            raise ValueError("discriminator.background needs generator.background")
        if self.generator.skeleton != self.discriminator.skeleton:
            raise ValueError("generator and discriminator must have the same skeleton")
        layers = len(self.discriminator.widths)
        if not all(0 <= level < layers for level in self.discriminator.local_levels):
            raise ValueError(
                f"local_levels must be in 0..{layers - 1}, got {self.discriminator.local_levels}"
            )

    @property
    def vgg_layers(self) -> tuple[str, ...]:
        """VGG-19 layers that the loss terms or the discriminator need."""
        return tuple(dict.fromkeys(self.compared_layers + self.discriminator.closeup_layers))

    @property
    def compared_layers(self) -> tuple[str, ...]:
        """VGG-19 layers that are needed of whole images."""
        judged = self.discriminator.feature_layers
        return tuple(dict.fromkeys(self.weights.vgg_layers + judged))

    @property
    def some_unused(self) -> bool:
        """Whether a step may leave weights without a gradient.

        Such as those of a branch that judges only large images, or of fields without known truth.
        """
        judge = self.discriminator
        return bool(self.generator.layers or judge.fine_widths or judge.closeup_layers)

    def learning_rate_at(self, step: int) -> float:
        """Return Adam's learning rate at a step, counted from 0."""
        left = self.steps - step
        return self.learning_rate * min(1.0, left / (self.decay_steps + 1))
