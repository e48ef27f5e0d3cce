"""Shared by the commands that train: configuration, resource estimate, progress."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deformgan.cli.outputs import output_dir
from deformgan.errors import InputError

if TYPE_CHECKING:
    from deformgan.training.config import TrainConfig
    from deformgan.training.engine import Progress
    from deformgan.training.estimate import Estimate
    from deformgan.training.run import Run

DIVERGED = 1  # exit code
_BAR = 20

Plan = TypeVar("Plan")  # the configuration of a run, a dataclass


def read_plan(
    recipe: str, file: Path | None, named: Mapping[str, Any], words: Sequence[str]
) -> "TrainConfig":
    """Load a recipe and apply the changes from a file, then those from the flags."""
    from deformgan.recipes import RECIPES

    return read_settings(RECIPES, "recipe", recipe, file, named, words)


def skeleton_settings(skeleton: str | None) -> dict[str, str]:
    """Return the recipe settings for `--skeleton`.

    Args:
        skeleton: A built-in name or a JSON file; None to keep the recipe's.
    """
    from deformgan.skeletons import find_skeleton
    from deformgan.skeletons.setting import skeleton_setting

    if skeleton is None:
        return {}
    setting = skeleton_setting(find_skeleton(skeleton))
    return {"generator.skeleton": setting, "discriminator.skeleton": setting}


def read_settings(
    plans: Mapping[str, Callable[[], Plan]],
    what: str,
    name: str,
    file: Path | None,
    named: Mapping[str, Any],
    words: Sequence[str],
) -> Plan:
    """Load a named configuration and apply the changes from a file, then those from the flags.

    Args:
        plans: Functions that make a configuration, by name.
        what: Kind of configuration, for messages: "recipe".
        name: Name of the configuration.
        file: TOML file of settings, or None.
        named: Values of the command's own flags; None for flags not given.
        words: All other flags.
    """
    from deformgan.training.settings import change_settings, read_flags, read_toml

    if name not in plans:
        raise InputError(f"Unknown {what} {name!r}; choose one of {', '.join(plans)}.")
    plan = plans[name]()
    if file is not None:
        plan = change_settings(plan, read_toml(file), str(file))
    given = {name: value for name, value in named.items() if value is not None}
    return change_settings(plan, given | read_flags(words), "command line")


def train_with_progress(
    run: "Run", out: Path, *, resume: bool, tensorboard: bool = False
) -> "ProgressDisplay | None":
    """Train: print an estimate, create the output folder, show progress.

    Args:
        run: The run.
        out: Output folder.
        resume: Continue from the last checkpoint; a finished run is only checked.
        tensorboard: Also write TensorBoard events.

    Returns:
        The display with the progress shown; None if the run diverged, after printing the error.
    """
    from deformgan.training.checkpoints import steps_saved
    from deformgan.training.engine import DivergedError

    steps = run.config.steps
    display = ProgressDisplay(run.fabric.is_global_zero, steps)
    saved = steps_saved(out)
    if saved < steps:
        display.announce(_rehearse(run), steps - saved)
    try:
        run.train(
            output_dir(out),
            resume=resume,
            tensorboard=tensorboard,
            report=display.report,
            on_step=display.step,
        )
    except DivergedError as error:
        display.close()
        print(f"deformgan: {error}", file=sys.stderr)
        return None
    display.close()
    return display


def _rehearse(run: "Run") -> "Estimate":
    import torch

    from deformgan.datasets.batches import MixedBatches
    from deformgan.training.estimate import estimate, mean_estimate

    batches, config = run.photos.batches, run.config
    mixed = isinstance(batches, MixedBatches)
    kinds = batches.kinds if mixed else [batches]
    counts = batches.counts if mixed else [1]
    try:
        found = [
            estimate(run.fabric, [kind[draw] for draw in range(config.draws)], run.features, config)
            for kind in kinds
        ]
        return mean_estimate(found, counts)
    except torch.OutOfMemoryError:
        raise InputError(
            f"A batch of {config.batch_size} needs more memory than {run.fabric.device} has; use a "
            "smaller --batch-size."
        ) from None


class ProgressDisplay:
    """Shows progress in the leading process: a bar on a terminal, otherwise a line per report."""

    def __init__(self, leads: bool, steps: int):
        self.leads, self.steps = leads, steps
        self.live = leads and sys.stdout.isatty()
        self.text = ""
        self.history: list[Progress] = []

    def announce(self, foreseen: "Estimate", steps: int) -> None:
        """Print the estimated time and memory."""
        memory = f"{foreseen.memory / 1e9:.1f} GB"
        if foreseen.available:
            memory += f" of {foreseen.available / 1e9:.1f} GB"
        if self.leads:
            print(
                f"About {_time(foreseen.seconds_per_step * steps)} for {steps} steps of "
                f"{foreseen.seconds_per_step:.2g} s, and {memory} of memory (from a trial step).",
                flush=True,
            )

    def step(self, done: int) -> None:
        """Update the bar."""
        if self.live:
            bar = "#" * (_BAR * done // self.steps)
            print(f"\r\x1b[2K[{bar:{_BAR}}] {done}/{self.steps}  {self.text}", end="", flush=True)

    def report(self, progress: "Progress") -> None:
        """Show the means over the last steps."""
        self.history.append(progress)
        terms = "  ".join(f"{name} {value:.3f}" for name, value in progress.terms.items())
        self.text = (
            f"{progress.samples_per_second:.1f} samples/s  {_time(progress.seconds_left)} left  "
            f"{progress.memory / 1e9:.1f} GB  {terms}"
        )
        if self.live:
            self.step(progress.step)
        elif self.leads:
            print(f"{progress.step}/{progress.steps}  {self.text}", flush=True)

    def close(self) -> None:
        """End the line of the bar."""
        if self.live:
            print(flush=True)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def set_threads(threads: int | None) -> None:
    """Limit the number of CPU threads, if given."""
    import torch

    if threads is not None:
        if threads < 1:
            raise InputError(f"--threads must be positive, got {threads}.")
        torch.set_num_threads(threads)
