"""The command `deformgan train`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_file
from deformgan.cli.training import (
    DIVERGED,
    read_plan,
    set_threads,
    skeleton_settings,
    train_with_progress,
)
from deformgan.files import write_json

if TYPE_CHECKING:
    from deformgan.training.config import TrainConfig
    from deformgan.training.engine import Progress


def train(
    recipe: str,
    /,
    *,
    out: Path,
    data: tuple[Path, ...] = (),
    rendered: tuple[Path, ...] = (),
    skeleton: str | None = None,
    vgg: Path | None = None,
    download: bool = False,
    init: str | None = None,
    resume: bool = False,
    nobody: tuple[str, ...] | None = None,
    config: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    tensorboard: bool = False,
    json: Path | None = None,
    settings: Annotated[Sequence[str], "deformgan.training.config.TrainConfig"] = (),
) -> int | None:
    """Train a generator.

    The settings of the recipe, listed below, can be changed by name, such as --steps 100,
    --weights.l1 100 or --generator.encoder-widths 16 32 64, or in a TOML file (--config); flags
    override the file.
    Under torchrun, each process takes its share of every batch.

    Args:
        recipe: Name of the recipe, such as quickstart or pedestrian-base.
        out: Output folder of the run (created if missing).
        data: Data sets in any layout supported by `deformgan data check`; by default the bundled
            people.
        rendered: Further data sets of rendered people, mixed in as the recipe specifies.
        skeleton: Skeleton of the poses, a built-in name or a JSON file; by default the recipe's.
        vgg: VGG-19 weights for the losses (.npz, or torchvision's .pth); by default torchvision's
            file in PyTorch's hub folder.
        download: Download VGG-19 weights (548 MB, from PyTorch) if they are needed and missing.
        init: Generator to start from, the name of bundled weights or a file; or the folder of
            another run, whose last discriminator is taken too; by default random weights.
        resume: Resume from the last checkpoint in the output folder.
        nobody: Identities of Market-1501's layout that are not people, such as -1 0000; by
            default -1, and also 0000 unless training photos, queries or identity-split.json have it
            as a person.
        config: TOML file of settings.
        device: Device to train on, such as cpu or cuda.
        threads: Number of CPU threads; by default PyTorch's choice.
        tensorboard: Also write TensorBoard events; needs the extra `track`.
        json: Where to write configuration, speed, memory and losses as JSON.
        settings: Settings by name, listed by `--help`.
    """
    from deformgan.device import find_device
    from deformgan.training.loop import RESULT
    from deformgan.training.records import find_tensorboard
    from deformgan.training.run import Run, check_new

    plan = read_plan(recipe, config, skeleton_settings(skeleton), settings)
    check_new(out, resume)
    if json is not None:
        output_file(json)
    if tensorboard:
        find_tensorboard()
    set_threads(threads)
    say_nobody(nobody, *data)
    run = Run.open(
        plan,
        data,
        rendered,
        vgg=vgg,
        download=download,
        init=init,
        nobody=nobody,
        device=find_device(device),
    )
    display = train_with_progress(run, out, resume=resume, tensorboard=tensorboard)
    if display is None:
        return DIVERGED
    if display.leads:
        print(out / RESULT)
        if json is not None:
            write_json(json, _report(plan, display.history, run.metadata))
    return None


def _report(plan: "TrainConfig", history: list["Progress"], facts: Mapping[str, Any]) -> dict:
    """Summarize a run for --json."""
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
