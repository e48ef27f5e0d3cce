"""TrainConfig: all that defines a run."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

from deformgan.backbones.vgg19 import ChannelOrder
from deformgan.errors import InputError
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.setting import read_skeleton_setting

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class LossWeights:
    """What the generator minimizes; a term of weight 0 is not computed.

    Attributes:
        adversarial: Of the discriminator's judgement.
        nearest_neighbour: On VGG-19 conv1_2 (the paper's lambda, for the original Oxford weights;
            converted for others).
        nearest_neighbour_pixels: On colours of 0 to 255; needs no outside weights.
        l1: On pixels.
        l2: On pixels.
        perceptual: On VGG-19 conv2_1.
        ssim: Of 1 - SSIM (ours).
        identity: Of 1 - cosine of the bundled Re-ID network's vectors (the paper's rival: a
            generator trained for Re-ID).
        features: On VGG-19 conv3_2 (ours: forgives a shift of a pixel or two).
        flow: On the error of a layered generator's field in pixels at its own rows, where it is
            known; that of hidden surface counts `HIDDEN` times.
        visible: Of the cross entropy of what the source shows, where it is known.
        matte: Of the cross entropy of both mattes, where they are known.
        planes: On the pixels of paint and scene apart, where both are known.
        person: How often a pixel of the person counts in the nearest-neighbour terms, beside 1 for
            one of the background (ours: the target's background is not to be known).
    """

    adversarial: float = 1.0
    nearest_neighbour: float = 0.0
    nearest_neighbour_pixels: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    perceptual: float = 0.0
    ssim: float = 0.0
    identity: float = 0.0
    features: float = 0.0
    flow: float = 0.0
    visible: float = 0.0
    matte: float = 0.0
    planes: float = 0.0
    person: float = 1.0

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not any(value for name, value in asdict(self).items() if name != "person"):
            raise ValueError("one of the weights must not be 0")

    @property
    def vgg_layers(self) -> tuple[str, ...]:
        """The layers of VGG-19 that the terms look at."""
        terms = {
            "conv1_2": self.nearest_neighbour,
            "conv2_1": self.perceptual,
            "conv3_2": self.features,
        }
        return tuple(layer for layer, weight in terms.items() if weight)

    @property
    def of_layers(self) -> tuple[str, ...]:
        """The terms that look at layers whose truth is known."""
        names = ("flow", "visible", "matte", "planes")
        return tuple(name for name in names if getattr(self, name))

    @property
    def of_opacity(self) -> bool:
        """Whether truth teaches what decides between a picture's layers."""
        return bool(self.visible or self.matte)

    @property
    def of_pictures(self) -> bool:
        """Whether any term looks at the picture, not only at fields whose truth is known."""
        fields = ("flow", "visible", "matte", "person")
        return any(value for name, value in asdict(self).items() if name not in fields)


@dataclass(frozen=True)
class TrainConfig:
    """A run; with the data and the program it gives the same weights again on one machine.

    Attributes:
        recipe: Name, for the records.
        generator: Shape of the generator.
        discriminator: Shape of the discriminator.
        weights: Of the loss terms.
        nearest_neighbour_window: n of the n x n neighbourhood.
        vgg_channel_order: "reference" swaps VGG-19's means of red and blue as the authors' code
            does, see `Vgg19Features`.
        adversarial_epsilon: Added to probabilities before their logarithm; the authors have 1e-7.
        draws: Batches per step: 1 for all, or the authors' 3, one each for the real photos that the
            discriminator sees, for the generated ones, and for the generator's own move.
        batch_size: Pairs per step, over all processes.
        steps: Discriminator steps, and as many generator steps.
        learning_rate: Of Adam, for both players.
        decay_steps: How many of the last steps the learning rate takes to fall to 0, along a
            straight line; 0 keeps it.
        betas: Of Adam.
        ema_decay: Of the running average of the generator's weights that is kept as the result; 0
            keeps the last weights.
        gradient_clip: Largest norm of a player's gradient, which is scaled down to it; 0 leaves
            gradients as they are.
        flip: Whether to mirror every second pair.
        learns: Beginnings of the names of the generator's weights that learn, such as "decoder.4";
            the others stay as they are. By default all learn.
        rendered_share: Share of rendered people in every batch, where such a set is given; of all
            batches where the sets have different sizes or the generator has layers, since then
            each batch is of one set.
        shares: Of the sets of photos among the photos, in any unit; by default all alike.
        precision: Of convolutions; weights, losses and warps stay in float32. "auto" takes bfloat16
            where the device computes in it (emulated it is some fifty times slower).
        compile: Whether to let torch.compile rewrite both players, which needs a compiler.
        seed: Of weights, order of pairs, flips and dropout.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and sample grids.
        keep: How many of the last checkpoints stay.
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
    learns: tuple[str, ...] = ()
    rendered_share: float = 0.0
    shares: tuple[float, ...] = ()
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
        for name in ("adversarial_epsilon", "gradient_clip", "seed", "decay_steps"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must not be negative, got {value}")
        for name in ("ema_decay", "rendered_share"):
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
            raise ValueError("a field without correction learns nothing: set layers.correction")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be at least 0 and below 1, got {self.betas}")
        window = self.nearest_neighbour_window
        if window < 1 or window % 2 == 0:
            raise ValueError(f"nearest_neighbour_window must be odd and positive, got {window}")
        for player in (self.generator, self.discriminator):
            try:
                read_skeleton_setting(player.skeleton)
            except InputError:
                raise ValueError(
                    f"skeleton must be {', '.join(SKELETONS)}, or a file's by --skeleton, got "
                    f"{player.skeleton}"
                ) from None
        if self.discriminator.background and not self.generator.background:
            raise ValueError("a discriminator that sees the background needs a generator that does")
        if self.generator.skeleton != self.discriminator.skeleton:
            raise ValueError("generator and discriminator must have the same skeleton")
        layers = len(self.discriminator.widths)
        if not all(0 <= level < layers for level in self.discriminator.local_levels):
            raise ValueError(
                f"local_levels must be in 0..{layers - 1}, got {self.discriminator.local_levels}"
            )

    @property
    def vgg_layers(self) -> tuple[str, ...]:
        """The layers of VGG-19 that loss terms or the discriminator look at."""
        return tuple(dict.fromkeys(self.weights.vgg_layers + self.discriminator.feature_layers))

    def learning_rate_at(self, step: int) -> float:
        """Gives Adam's learning rate in a step, of which 0 is the first."""
        left = self.steps - step
        return self.learning_rate * min(1.0, left / (self.decay_steps + 1))
