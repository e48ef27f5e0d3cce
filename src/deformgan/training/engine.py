"""run_steps: the steps of any run, with its records and checkpoints; going on where it stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.training.checkpoints import (
    Learner,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
    steps_saved,
)
from deformgan.training.distributed import Fabric
from deformgan.training.memory import memory_in_use
from deformgan.training.records import Records

Terms = dict[str, Float[Tensor, ""]]


@runtime_checkable
class Schedule(Protocol):
    """What a run's configuration, a dataclass, tells the engine: see `TrainConfig`."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def log_every(self) -> int: ...  # noqa: D102
    @property
    def save_every(self) -> int: ...  # noqa: D102
    @property
    def keep(self) -> int: ...  # noqa: D102


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


def run_steps(
    config: Schedule,
    learner: Learner,
    out: Path,
    step: Callable[[int], Terms],
    *,
    fabric: Fabric,
    data: list[dict[str, Any]],
    describe: Callable[[int], str],
    save: Callable[[int, Records], None],
    resume: bool = False,
    tensorboard: bool = False,
    report: Callable[[Progress], None] = print,
    on_step: Callable[[int], None] = lambda done: None,
) -> None:
    """Does the steps that are left of a run.

    In `out` it keeps `metrics.jsonl` (one line per `log_every` steps) and `checkpoints/`. Files are
    written beside and renamed, so a run that is killed leaves the last complete ones. Where a step
    depends on its number and the seed alone, a resumed run equals an unbroken one.

    Args:
        config: Decides how many steps there are, how often something is written, and, as a whole,
            which checkpoints are of this run.
        learner: What the run changes.
        out: An existing folder.
        step: Does the step of a number, counted from 0, and gives its loss terms by name.
        fabric: Device, precision and processes.
        data: What the run learns from, see `PairBatches.fingerprint`.
        describe: Names the photos of a step, for errors.
        save: Writes the result after so many steps, before their checkpoint; called in the leading
            process.
        resume: Whether to go on from the folder's last checkpoint, if it has one.
        tensorboard: Whether to write events for TensorBoard.
        report: Is told of the progress at every line of the metrics, in the leading process.
        on_step: Is told after every step how many are done.

    Raises:
        DivergedError: If a loss term is not finite. No checkpoint is written after that step.
    """
    saved = checkpoints(out) if resume else []
    first = load_checkpoint(saved[-1], learner, config, data) if saved else 0
    fabric.barrier()
    records = Records(out, first, tensorboard) if fabric.is_global_zero else None
    begun = last = time.monotonic()
    seen: list[Terms] = []
    for number in range(first, config.steps):
        seen.append(step(number))
        done = number + 1
        logs = done % config.log_every == 0 or done == config.steps
        saves = done % config.save_every == 0 or done == config.steps
        # Looking at a number makes a GPU wait, so there it is done where the run waits anyway.
        if logs or saves or fabric.device.type == "cpu":
            _check_finite(seen, done, describe, out)
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
            save(done, records)
            # Last, so that what a killed run lacks is made again.
            save_checkpoint(out, learner, config, done, data)
    fabric.barrier()


def _means(fabric: Fabric, seen: list[Terms]) -> dict[str, float]:
    """Average terms over the steps that have them, and over processes."""
    names = list(dict.fromkeys(name for terms in seen for name in terms))
    means = torch.stack(
        [torch.stack([terms[name] for terms in seen if name in terms]).mean() for name in names]
    )
    return dict(zip(names, fabric.mean(means).tolist(), strict=True))


def _check_finite(seen: list[Terms], done: int, describe: Callable[[int], str], out: Path) -> None:
    for step, terms in enumerate(seen, start=done - len(seen)):
        for name, value in terms.items():
            if not value.isfinite():
                raise DivergedError(
                    f"Step {step + 1}: {name} is {value.item()} for the batch {describe(step)}. "
                    f"The last checkpoint is of step {steps_saved(out)}; a lower "
                    "--learning-rate or a --gradient-clip may help."
                )
