"""The command `deformgan train`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from deformgan.cli.outputs import output_dir, output_file, write_json
from deformgan.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from deformgan.backbones.vgg19 import Vgg19Features
    from deformgan.models.generator import Generator
    from deformgan.pair import Pair
    from deformgan.training.config import TrainConfig
    from deformgan.training.estimate import Estimate
    from deformgan.training.loop import Progress

_DIVERGED = 1
_BAR = 20


def train(
    recipe: str,
    /,
    *,
    out: Path,
    data: Path | None = None,
    rendered: Path | None = None,
    vgg: Path | None = None,
    init: str | None = None,
    resume: bool = False,
    config: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    precision: Literal["auto", "float32", "bfloat16"] | None = None,
    seed: int | None = None,
    log_every: int | None = None,
    save_every: int | None = None,
    tensorboard: bool = False,
    json: Path | None = None,
    settings: Sequence[str] = (),
) -> int | None:
    """Train a generator.

    Every other setting of a recipe can be given by its name too, such as --ema-decay 0.99,
    --weights.l1 100 or --generator.encoder-widths 16 32 64; --config reads the same from a TOML
    file, and a flag goes before the file. One process or many: under torchrun each takes its part
    of every batch.

    Args:
        recipe: Name of the run to make, such as quickstart or pedestrian-small.
        out: Folder of the run; created.
        data: Data set of any kind that `data check` knows; by default the bundled people.
        rendered: A second data set of rendered people, mixed in as the recipe says.
        vgg: VGG-19 weights for the losses (.npz or torchvision's .pth); else torch's hub folder.
        init: Generator to start from: bundled name or file; by default random weights.
        resume: Go on from the folder's last checkpoint.
        config: TOML file of settings.
        device: Where to train, such as cpu or cuda.
        threads: CPU threads; by default torch's choice.
        steps: Instead of the recipe's.
        batch_size: Instead of the recipe's; over all processes.
        learning_rate: Instead of the recipe's.
        precision: Instead of the recipe's.
        seed: Instead of the recipe's.
        log_every: Instead of the recipe's.
        save_every: Instead of the recipe's.
        tensorboard: Write events for TensorBoard too; needs the extra `track`.
        json: Where to write what the run measured.
        settings: See above.
    """
    import torch

    from deformgan.backbones.vgg19 import Vgg19Features
    from deformgan.cli.inputs import check_device
    from deformgan.datasets.bundled_people import FOLDER
    from deformgan.provenance import provenance
    from deformgan.training.checkpoints import steps_saved
    from deformgan.training.data import open_data
    from deformgan.training.launch import open_fabric
    from deformgan.training.loop import DivergedError
    from deformgan.training.loop import train as run

    named = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "precision": precision,
        "seed": seed,
        "log_every": log_every,
        "save_every": save_every,
    }
    plan = _plan(recipe, config, named, settings)
    saved = steps_saved(out)
    if saved and not resume:
        raise InputError(f"{out} already holds a run; add --resume to go on with it.")
    if json is not None:
        output_file(json)
    if threads is not None:
        if threads < 1:
            raise InputError(f"--threads must be positive, got {threads}.")
        torch.set_num_threads(threads)
    fabric = open_fabric(torch.device(check_device(device)))
    features = None
    if layers := plan.weights.vgg_layers:
        features = Vgg19Features(vgg, layers, plan.vgg_channel_order).to(fabric.device)
    start = None if init is None else _start(init, plan)
    folders = [folder for folder in (data or FOLDER, rendered) if folder is not None]
    photos = open_data(plan, folders, fabric)
    screen = _Screen(fabric.is_global_zero, plan.steps)
    if saved < plan.steps:
        draws = [photos.batches[draw] for draw in range(plan.draws)]
        screen.announce(_rehearse(fabric, draws, features, plan), plan.steps - saved)
    output_dir(out)
    metadata = {
        **provenance(),
        "data": [folder.resolve().name for folder in folders],
        "size": list(photos.size),
    }
    if init is not None:
        metadata["init"] = Path(init).name
    try:
        result = run(
            plan,
            photos.batches,
            out,
            fabric=fabric,
            features=features,
            samples=photos.samples,
            metadata=metadata,
            resume=resume,
            start=start,
            tensorboard=tensorboard,
            report=screen.report,
            on_step=screen.step,
        )
    except DivergedError as error:
        screen.close()
        print(f"deformgan: {error}", file=sys.stderr)
        return _DIVERGED
    screen.close()
    if screen.leads:
        print(result)
        if json is not None:
            write_json(json, _report(plan, screen.history, metadata))
    return None


def _plan(
    recipe: str, file: Path | None, named: Mapping[str, Any], words: Sequence[str]
) -> "TrainConfig":
    """Changes a recipe as a file and then the flags ask."""
    from deformgan.recipes import RECIPES
    from deformgan.training.settings import change_settings, read_flags, read_toml

    if recipe not in RECIPES:
        raise InputError(f"Unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    plan = RECIPES[recipe]()
    if file is not None:
        plan = change_settings(plan, read_toml(file), str(file))
    given = {name: value for name, value in named.items() if value is not None}
    return change_settings(plan, given | read_flags(words), "command line")


def _start(weights: str, plan: "TrainConfig") -> "Generator":
    from deformgan.checkpoint import load_generator

    generator, _ = load_generator(weights)
    if generator.config != plan.generator:
        raise InputError(
            f"{weights} is a generator of another shape than {plan.recipe} trains; start from one "
            "that this recipe made."
        )
    return generator


def _rehearse(
    fabric: "Fabric",
    draws: "Sequence[Pair]",
    features: "Vgg19Features | None",
    plan: "TrainConfig",
) -> "Estimate":
    import torch

    from deformgan.training.estimate import estimate

    try:
        return estimate(fabric, draws, features, plan)
    except torch.OutOfMemoryError:
        raise InputError(
            f"A batch of {plan.batch_size} needs more memory than {fabric.device} has; give a "
            "smaller --batch-size."
        ) from None


class _Screen:
    """Shows progress, in the leading process: a bar on a terminal, else a line per report."""

    def __init__(self, leads: bool, steps: int):
        self.leads, self.steps = leads, steps
        self.live = leads and sys.stdout.isatty()
        self.text = ""
        self.history: list[Progress] = []

    def announce(self, foreseen: "Estimate", steps: int) -> None:
        """Says what the run will take."""
        memory = f"{foreseen.memory / 1e9:.1f} GB"
        if foreseen.available:
            memory += f" of {foreseen.available / 1e9:.1f} GB"
        if self.leads:
            print(
                f"About {_time(foreseen.seconds_per_step * steps)} for {steps} steps of "
                f"{foreseen.seconds_per_step:.2g} s, and {memory} of memory (rehearsed).",
                flush=True,
            )

    def step(self, done: int) -> None:
        """Moves the bar."""
        if self.live:
            bar = "#" * (_BAR * done // self.steps)
            print(f"\r\x1b[2K[{bar:{_BAR}}] {done}/{self.steps}  {self.text}", end="", flush=True)

    def report(self, progress: "Progress") -> None:
        """Shows means of the last steps."""
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
        """Leaves the bar's line."""
        if self.live:
            print(flush=True)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _report(plan: "TrainConfig", history: list["Progress"], facts: dict[str, Any]) -> dict:
    """Says what a run was and what it measured, for --json."""
    last = history[-1] if history else None
    return {
        "config": asdict(plan),
        **facts,
        "steps": plan.steps,
        "samples": plan.steps * plan.batch_size,
        "samples_per_second": median(p.samples_per_second for p in history) if history else None,
        "memory": last.memory if last else None,
        "terms": last.terms if last else {},
    }
