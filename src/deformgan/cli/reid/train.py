"""The command `deformgan reid train`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from deformgan.cli.outputs import output_dir, output_file, write_json
from deformgan.cli.training import DIVERGED, Screen, read_settings, set_threads
from deformgan.errors import InputError


def train(
    baseline: str,
    /,
    *,
    data: Path,
    out: Path,
    imagenet: Path | None = None,
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
    json: Path | None = None,
    settings: Sequence[str] = (),
) -> int | None:
    """Train a Re-ID network, on real photos or on a set that `reid augment` wrote.

    Baselines: light-ide, light-de and light-bot (0.6 M parameters, two cores), ide-resnet50,
    de-resnet50 and bot-resnet50. IDE tells identities apart; DE also tells whether two photos show
    the same person (the paper's Discriminative Embedding); BoT has a norm at the neck, smoothed
    labels, triplets and random erasing. Every other setting can be given by its name too, such as
    --random-erasing false, and --config reads the same from a TOML file. One process or many
    (torchrun).

    Args:
        baseline: Name of the baseline.
        data: Market layout; people whom identity-split.json keeps for testing are not read.
        out: Folder of the run; created.
        imagenet: torchvision's resnet50 weights (.pth); without, ResNet-50 learns from scratch.
        resume: Go on from the folder's last checkpoint.
        config: TOML file of settings.
        device: Where to train, such as cpu or cuda.
        threads: CPU threads; by default torch's choice.
        steps: Instead of the baseline's.
        batch_size: Instead of the baseline's; over all processes.
        learning_rate: Instead of the baseline's.
        precision: Instead of the baseline's.
        seed: Instead of the baseline's.
        log_every: Instead of the baseline's.
        save_every: Instead of the baseline's.
        json: Where to write what the run was.
        settings: See above.
    """
    import torch

    from deformgan.cli.inputs import check_device
    from deformgan.provenance import provenance
    from deformgan.reid.baselines import BASELINES
    from deformgan.reid.train import RESULT, train_baseline
    from deformgan.reid.training_photos import read_training_photos
    from deformgan.training.checkpoints import steps_saved
    from deformgan.training.engine import DivergedError
    from deformgan.training.launch import open_fabric

    named = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "precision": precision,
        "seed": seed,
        "log_every": log_every,
        "save_every": save_every,
    }
    plan = read_settings(BASELINES, "baseline", baseline, config, named, settings)
    if steps_saved(out) and not resume:
        raise InputError(f"{out} already holds a run; add --resume to go on with it.")
    if imagenet is not None and plan.network != "resnet50":
        raise InputError(f"--imagenet is for resnet50 baselines, not for {baseline}.")
    if json is not None:
        output_file(json)
    set_threads(threads)
    fabric = open_fabric(torch.device(check_device(device)))
    photos = read_training_photos(data, size=plan.size)
    if photos.num_classes < 2:
        raise InputError(f"{data} has photos of one person only; there is nobody to tell apart.")
    metadata = {**provenance(), "data": data.resolve().name}
    screen = Screen(fabric.is_global_zero, plan.steps)
    try:
        train_baseline(
            plan,
            photos,
            output_dir(out),
            fabric=fabric,
            metadata=metadata,
            resume=resume,
            imagenet=imagenet,
            report=screen.report,
            on_step=screen.step,
        )
    except DivergedError as error:
        screen.close()
        print(f"deformgan: {error}")
        return DIVERGED
    screen.close()
    if screen.leads:
        print(out / RESULT)
        if json is not None:
            facts = {"photos": len(photos), "generated": int(photos.generated.sum())}
            write_json(json, {"config": asdict(plan), **metadata, **facts})
    return None
