"""train: train a generator by a recipe."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import save_generator
from deformgan.datasets.batches import MixedBatches, PairBatches
from deformgan.models.generator import Generator
from deformgan.pair import Pair
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.engine import Progress, Terms, run_steps
from deformgan.training.gan import Gan
from deformgan.training.records import Records
from deformgan.training.step import train_step

RESULT = "generator.safetensors"


def train(
    config: TrainConfig,
    batches: PairBatches | MixedBatches,
    out: Path,
    *,
    fabric: Fabric,
    features: Vgg19Features | None,
    samples: Pair | None,
    metadata: Mapping[str, Any],
    resume: bool = False,
    start: Generator | None = None,
    judge: Mapping[str, Tensor] | None = None,
    tensorboard: bool = False,
    report: Callable[[Progress], None] = print,
    on_step: Callable[[int], None] = lambda done: None,
) -> Path:
    """Train a generator to the last step of a recipe.

    Writes `metrics.jsonl` (one line per `log_every` steps), `samples/` (source, target and
    generated image, side by side), `checkpoints/` (the complete state for resuming) and
    `generator.safetensors` (the averaged generator) into `out`. Files are written atomically, so a
    killed run leaves the last complete ones. A step depends only on its number and the seed, so a
    resumed run equals an uninterrupted one, bitwise on a CPU.

    Args:
        config: The run.
        batches: Source of the pairs of each step; each of several processes has its part.
        out: An existing folder.
        fabric: Device, precision and processes.
        features: VGG-19 for the loss terms; None if no term needs it.
        samples: Pairs for sample grids; None writes none.
        metadata: Stored in the weights file, with the numbers of steps and samples.
        resume: Whether to resume from the folder's last checkpoint, if it has one.
        start: Initial weights, of the configuration's shape; by default random from the seed.
            Ignored by a resumed run.
        judge: The same for the discriminator.
        tensorboard: Whether to write TensorBoard events.
        report: Called with the progress at every line of the metrics, in the main process.
        on_step: Called after every step with the number of completed steps.

    Returns:
        Path of the trained generator.

    Raises:
        DivergedError: If a loss term is not finite. No checkpoint is written after that step.
    """
    gan = Gan.create(config, fabric)
    if start is not None:
        gan.start_from(start)
    if judge is not None:
        gan.discriminator.network.load_state_dict(judge)

    def step(number: int) -> Terms:
        draws = [batches[number * config.draws + draw] for draw in range(config.draws)]
        gan.set_learning_rate(config.learning_rate_at(number))
        return train_step(fabric, gan, draws, features, config, number)

    def describe(number: int) -> str:
        first = number * config.draws
        return ", ".join(batches.describe(first + draw) for draw in range(config.draws))

    def save(done: int, records: Records) -> None:
        _save_result(out, gan, config, done, metadata)
        if samples is not None:
            records.show(done, gan.result(config), samples)

    run_steps(
        config,
        gan,
        out,
        step,
        fabric=fabric,
        data=batches.fingerprint(),
        describe=describe,
        save=save,
        resume=resume,
        tensorboard=tensorboard,
        report=report,
        on_step=on_step,
    )
    return out / RESULT


def _save_result(
    out: Path, gan: Gan, config: TrainConfig, done: int, metadata: Mapping[str, Any]
) -> None:
    described = {
        **metadata,
        "recipe": config.recipe,
        "steps": done,
        "samples": done * config.batch_size,
        "seed": config.seed,
    }
    save_generator(out / RESULT, gan.result(config), described)
