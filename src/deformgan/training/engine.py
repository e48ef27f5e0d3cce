"""run_steps: the training loop of any run, with metrics, checkpoints and resuming."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.files import one_at_a_time
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

_LOCK = ".training.lock"


@runtime_checkable
class Schedule(Protocol):
    """Settings of the training loop in a run's configuration, a dataclass; see `TrainConfig`."""

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
    """A loss is not finite; the message names the term, the step and the photos."""


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Attributes:
        step: Completed steps.
        steps: Total number of steps.
        samples_per_second: Speed since the last report, over all processes.
        seconds_left: Estimate from the mean speed so far.
        memory: Peak memory in bytes.
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
    """Run the remaining steps of a run.

    Writes `metrics.jsonl` (one line per `log_every` steps) and `checkpoints/` into `out`. Files are
    written atomically, so a killed run leaves the last complete ones. If a step depends only on its
    number and the seed, a resumed run equals an uninterrupted one.

    Args:
        config: Determines the number of steps and how often to log and save; as a whole, it
            identifies the run that a checkpoint belongs to.
        learner: What the run changes.
        out: An existing folder.
        step: Takes the step with the given number, counted from 0, and returns its loss terms by
            name.
        fabric: Device, precision and processes.
        data: Fingerprint of the training data, see `PairBatches.fingerprint`.
        describe: Returns the names of the photos of a step, for errors.
        save: Writes the result after a number of steps, before their checkpoint; called in the
            main process.
        resume: Whether to resume from the folder's last checkpoint, if it has one.
        tensorboard: Whether to write TensorBoard events.
        report: Called with the progress at every line of the metrics, in the main process.
        on_step: Called after every step with the number of completed steps.

    Raises:
        DivergedError: If a loss term is not finite. No checkpoint is written after that step.
        InputError: If another process trains in this folder.
    """
    leads = fabric.is_global_zero
    with one_at_a_time(out / _LOCK, str(out)) if leads else nullcontext():
        saved = checkpoints(out) if resume else []
        first, seen = load_checkpoint(saved[-1], learner, config, data) if saved else (0, [])
        seen = [{k: v.to(fabric.device) for k, v in terms.items()} for terms in seen]
        fabric.barrier()
        records = Records(out, first, tensorboard) if leads else None
        begun = last = time.monotonic()
        timed = first  # steps completed at the time `last`
        for number in range(first, config.steps):
            seen.append(step(number))
            done = number + 1
            logs = done % config.log_every == 0 or done == config.steps
            saves = done % config.save_every == 0 or done == config.steps
            # Reading a value waits for the GPU, so this happens only where the run waits anyway.
            if logs or saves or fabric.device.type == "cpu":
                _check_finite(seen, done, describe, out)
            on_step(done)
            if logs:
                terms = _means(fabric, seen)
                now = time.monotonic()
                progress = Progress(
                    done,
                    config.steps,
                    (done - timed) * config.batch_size / (now - last),
                    (now - begun) / (done - first) * (config.steps - done),
                    memory_in_use(fabric.device),
                    terms,
                )
                seen, last, timed = [], now, done
                if records is not None:
                    speed = {"samples_per_second": progress.samples_per_second}
                    records.write(done, {**speed, **terms})
                    report(progress)
            unlogged = _shared(fabric, seen) if saves else []
            if saves and records is not None:
                save(done, records)
                # Last, so that outputs missing after a kill are written again on resuming.
                save_checkpoint(out, learner, config, done, data, unlogged)
    fabric.barrier()


def _means(fabric: Fabric, seen: list[Terms]) -> dict[str, float]:
    """Average terms over the steps that have them and over processes."""
    names = list(dict.fromkeys(name for terms in seen for name in terms))
    means = torch.stack(
        [torch.stack([terms[name] for terms in seen if name in terms]).mean() for name in names]
    )
    return dict(zip(names, fabric.mean(means).tolist(), strict=True))


def _shared(fabric: Fabric, seen: list[Terms]) -> list[Terms]:
    """Average the terms of each step over processes, so that any of them can go on with these."""
    if fabric.world_size == 1 or not seen:
        return seen
    values = fabric.mean(torch.stack([value for terms in seen for value in terms.values()]))
    rest = iter(values.unbind())
    return [{name: next(rest) for name in terms} for terms in seen]


def _check_finite(seen: list[Terms], done: int, describe: Callable[[int], str], out: Path) -> None:
    for step, terms in enumerate(seen, start=done - len(seen)):
        for name, value in terms.items():
            if not value.isfinite():
                raise DivergedError(
                    f"Step {step + 1}: {name} is {value.item()} for the batch {describe(step)}. "
                    f"The last checkpoint is of step {steps_saved(out)}; a lower "
                    "--learning-rate or a --gradient-clip may help."
                )
