"""train: a generator learns by a recipe; its steps, its records, its result."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import save_generator
from deformgan.datasets.batches import MixedBatches, PairBatches
from deformgan.models.generator import Generator
from deformgan.pair import Pair
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.engine import Progress, Terms, run_steps
from deformgan.training.players import Players
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
    tensorboard: bool = False,
    report: Callable[[Progress], None] = print,
    on_step: Callable[[int], None] = lambda done: None,
) -> Path:
    """Runs a recipe to its last step.

    In `out` it keeps `metrics.jsonl` (one line per `log_every` steps), `samples/` (source, target
    and generated, side by side), `checkpoints/` (everything that resuming needs) and
    `generator.safetensors` (the averaged generator). Files are written beside and renamed, so a run
    that is killed leaves the last complete ones. What a step does depends on its number and the
    seed alone, so a resumed run equals an unbroken one, on a CPU to the bit.

    Args:
        config: The run.
        batches: Where the pairs of each step come from; of several processes each has its part.
        out: An existing folder.
        fabric: Device, precision and processes.
        features: VGG-19 for the loss terms; None if none needs it.
        samples: Pairs to show; None for no pictures.
        metadata: Goes into the weights file, with the steps and samples that were trained.
        resume: Whether to go on from the folder's last checkpoint, if it has one.
        start: Weights to begin with, of the configuration's shape; by default drawn from the seed.
            A resumed run has its own.
        tensorboard: Whether to write events for TensorBoard.
        report: Is told of the progress at every line of the metrics, in the leading process.
        on_step: Is told after every step how many are done.

    Returns:
        Path of the trained generator.

    Raises:
        DivergedError: If a loss term is not finite. No checkpoint is written after that step.
    """
    players = Players.create(config, fabric)
    if start is not None:
        players.start_from(start)

    def step(number: int) -> Terms:
        draws = [batches[number * config.draws + draw] for draw in range(config.draws)]
        players.set_learning_rate(config.learning_rate_at(number))
        return train_step(fabric, players, draws, features, config, number)

    def describe(number: int) -> str:
        first = number * config.draws
        return ", ".join(batches.describe(first + draw) for draw in range(config.draws))

    def save(done: int, records: Records) -> None:
        _save_result(out, players, config, done, metadata)
        if samples is not None:
            records.show(done, players.result(config), samples)

    run_steps(
        config,
        players,
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
    out: Path, players: Players, config: TrainConfig, done: int, metadata: Mapping[str, Any]
) -> None:
    described = {
        **metadata,
        "recipe": config.recipe,
        "steps": done,
        "samples": done * config.batch_size,
        "seed": config.seed,
    }
    save_generator(out / RESULT, players.result(config), described)
