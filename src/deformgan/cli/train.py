"""The command `deformgan train`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from deformgan.cli.outputs import output_file, write_json
from deformgan.cli.training import (
    DIVERGED,
    read_plan,
    set_threads,
    skeleton_settings,
    train_on_screen,
)
from deformgan.errors import InputError

if TYPE_CHECKING:
    from deformgan.models.generator import Generator
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
        recipe: Name of the run to make, such as quickstart or pedestrian-base.
        out: Folder of the run; created.
        data: Data sets of any kind that `data check` knows; by default the bundled people.
        rendered: Further data sets of rendered people, mixed in as the recipe says.
        skeleton: Of the poses, a name or a JSON file; by default the recipe's.
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
    from deformgan.training.loop import RESULT
    from deformgan.training.records import find_tensorboard

    named = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "precision": precision,
        "seed": seed,
        "log_every": log_every,
        "save_every": save_every,
        **skeleton_settings(skeleton),
    }
    plan = read_plan(recipe, config, named, settings)
    if steps_saved(out) and not resume:
        raise InputError(f"{out} already holds a run; add --resume to go on with it.")
    if json is not None:
        output_file(json)
    if tensorboard:
        find_tensorboard()
    set_threads(threads)
    some_unused = bool(plan.generator.layers or plan.discriminator.fine_widths)
    fabric = open_fabric(torch.device(check_device(device)), some_unused)
    features = None
    if layers := plan.vgg_layers:
        features = Vgg19Features(vgg, layers, plan.vgg_channel_order).to(fabric.device)
    start = None if init is None else _start(init, plan)
    folders = list(data) or [FOLDER]
    photos = open_data(plan, folders, fabric, rendered)
    folders += rendered
    metadata = {
        **provenance(),
        "data": [folder.resolve().name for folder in folders],
        "size": list(photos.size),
    }
    if init is not None:
        metadata["init"] = Path(init).name
    screen = train_on_screen(
        plan,
        photos,
        out,
        fabric=fabric,
        features=features,
        metadata=metadata,
        resume=resume,
        start=start,
        tensorboard=tensorboard,
    )
    if screen is None:
        return DIVERGED
    if screen.leads:
        print(out / RESULT)
        if json is not None:
            write_json(json, _report(plan, screen.history, metadata))
    return None


def _start(weights: str, plan: "TrainConfig") -> "Generator":
    from deformgan.checkpoint import load_generator

    generator, _ = load_generator(weights, background=True)
    given, asked = asdict(generator.config), asdict(plan.generator)
    # Background and layers are learned on top of what is known without them.
    for added in ("background", "layers"):
        if not given[added]:
            given[added] = asked[added]
    if given != asked:
        raise InputError(
            f"{weights} is a generator of another shape than {plan.recipe} trains; start from one "
            "that this recipe made."
        )
    return generator


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
