"""TrainConfig: all that defines a run."""

from dataclasses import dataclass
from typing import Literal

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class LossWeights:
    """What the generator minimizes; a term of weight 0 is not computed.

    Attributes:
        adversarial: Of the discriminator's judgement.
        nearest_neighbour: On VGG-19 conv1_2 (the paper's lambda, for the original Oxford weights;
            converted for others).
        l1: On pixels.
        l2: On pixels.
        perceptual: On VGG-19 conv2_1.
    """

    adversarial: float = 1.0
    nearest_neighbour: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    perceptual: float = 0.0

    @property
    def vgg_layers(self) -> tuple[str, ...]:
        """The layers of VGG-19 that the terms look at."""
        terms = {"conv1_2": self.nearest_neighbour, "conv2_1": self.perceptual}
        return tuple(layer for layer, weight in terms.items() if weight)


@dataclass(frozen=True)
class TrainConfig:
    """A run; with the data and the program it gives the same weights again on one machine.

    Attributes:
        recipe: Name, for the records.
        generator: Shape of the generator.
        discriminator: Shape of the discriminator.
        weights: Of the loss terms.
        nearest_neighbour_window: n of the n x n neighbourhood.
        batch_size: Pairs per step.
        steps: Discriminator steps, and as many generator steps.
        learning_rate: Of Adam, for both players.
        betas: Of Adam.
        ema_decay: Of the running average of the generator's weights that is kept as the result; 0
            keeps the last weights.
        flip: Whether to mirror every second pair.
        rendered_share: Share of rendered people in every batch, where such a set is given.
        precision: Of convolutions; weights, losses and warps stay in float32. "auto" takes bfloat16
            where the device computes in it (emulated it is some fifty times slower).
        seed: Of weights, order of pairs, flips and dropout.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and sample grids.
    """

    recipe: str
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    weights: LossWeights
    nearest_neighbour_window: int = 3
    batch_size: int = 4
    steps: int = 90_000
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    ema_decay: float = 0.0
    flip: bool = False
    rendered_share: float = 0.0
    precision: Precision = "float32"
    seed: int = 0
    log_every: int = 50
    save_every: int = 500
