"""train: steps, records, checkpoints; and going on where a run stopped."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import save_generator
from deformgan.datasets.batches import PairBatches
from deformgan.models.generator import Generator
from deformgan.pair import Pair
from deformgan.training.checkpoints import (
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    steps_saved,
)
from deformgan.training.config import TrainConfig
from deformgan.training.memory import memory_in_use
from deformgan.training.players import Players
from deformgan.training.records import Records
from deformgan.training.step import train_step

RESULT = "generator.safetensors"

Terms = dict[str, Float[Tensor, ""]]


class DivergedError(Exception):
    """A loss is no number any more: one sentence that names the term, the step and the photos."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Steps done.
        steps: Steps to do in all.
        samples_per_second: Since the last report, over all processes.
        seconds_left: At the mean speed so far.
        memory: Bytes in use at the peak.
        terms: Means of the loss terms since the last report.
    """

    step: int
    steps: int
    samples_per_second: float
    seconds_left: float
    memory: int
    terms: dict[str, float]


def train(
    config: TrainConfig,
    batches: PairBatches,
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
    data = batches.fingerprint()
    saved = checkpoints(out) if resume else []
    first = load_checkpoint(saved[-1], players, config, data) if saved else 0
    fabric.barrier()
    leads = fabric.is_global_zero
    records = Records(out, first, tensorboard) if leads else None
    begun = last = time.monotonic()
    seen: list[Terms] = []
    for step in range(first, config.steps):
        draws = [batches[step * config.draws + draw] for draw in range(config.draws)]
        players.set_learning_rate(config.learning_rate_at(step))
        seen.append(train_step(fabric, players, draws, features, config, step))
        done = step + 1
        logs = done % config.log_every == 0 or done == config.steps
        saves = done % config.save_every == 0 or done == config.steps
        # Looking at a number makes a GPU wait, so there it is done where the run waits anyway.
        if logs or saves or fabric.device.type == "cpu":
            _check_finite(seen, done, config, batches, out)
        on_step(done)
        if logs:
            terms = _means(fabric, seen)
            now = time.monotonic()
            progress = Progress(
                done,
                config.steps,
                len(seen) * config.batch_size / (now - last),
                (now - begun) / (done - first) * (config.steps - done),
                memory_in_use(fabric.device),
                terms,
            )
            seen, last = [], now
            if records is not None:
                speed = {"samples_per_second": progress.samples_per_second}
                records.write(done, {**speed, **terms})
                report(progress)
        if saves and records is not None:
            _save_result(out, players, config, done, metadata)
            if samples is not None:
                records.show(done, players.result(config), samples)
            # Last, so that what a killed run lacks is made again.
            save_checkpoint(out, players, config, done, data)
    fabric.barrier()
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


def _means(fabric: Fabric, seen: list[Terms]) -> dict[str, float]:
    """Averages terms over steps and processes."""
    names = list(seen[0])
    means = torch.stack([torch.stack([terms[name] for terms in seen]).mean() for name in names])
    if fabric.world_size > 1:
        means = fabric.all_reduce(means, reduce_op="mean")
        assert isinstance(means, Tensor)
    return dict(zip(names, means.tolist(), strict=True))


def _check_finite(
    seen: list[Terms], done: int, config: TrainConfig, batches: PairBatches, out: Path
) -> None:
    for step, terms in enumerate(seen, start=done - len(seen)):
        for name, value in terms.items():
            if not value.isfinite():
                first = step * config.draws
                photos = ", ".join(batches.describe(first + draw) for draw in range(config.draws))
                raise DivergedError(
                    f"Step {step + 1}: {name} is {value.item()} for the batch {photos}. The last "
                    f"checkpoint is of step {steps_saved(out)}; a lower "
                    "--learning-rate or a --gradient-clip may help."
                )
