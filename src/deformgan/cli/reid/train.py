"""The command `deformgan reid train`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_dir, output_file
from deformgan.cli.training import DIVERGED, ProgressDisplay, read_settings, set_threads
from deformgan.errors import InputError
from deformgan.files import write_json


def train(
    baseline: str,
    /,
    *,
    data: Path,
    out: Path,
    imagenet: Path | None = None,
    teacher: str | None = None,
    fraction: int | None = None,
    per_person: int | None = None,
    resume: bool = False,
    nobody: tuple[str, ...] | None = None,
    config: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    json: Path | None = None,
    settings: Annotated[Sequence[str], "deformgan.reid.baseline.BaselineConfig"] = (),
) -> int | None:
    """Train a Re-ID network on real or augmented data.

    Baselines: light-ide, light-de and light-bot (0.6 M parameters, for two CPU cores), lite0-bot
    (EfficientNet-Lite0 from ImageNet, 3.4 M, extra reid), ide-resnet50, de-resnet50 and
    bot-resnet50. IDE classifies identities; DE also classifies whether two photos show the same
    person (the paper's Discriminative Embedding); BoT adds a normalization neck, label smoothing, a
    triplet loss and random erasing. Generated photos enter as --entry says: mixed (one pool),
    on-top (--added of them beside every real batch), first (before the real ones) or late (on top
    from --switch of the steps on). The settings listed below can be changed by name, such as
    --steps 100, or in a TOML file (--config). Runs in one process or several (torchrun).

    Args:
        baseline: Name of the baseline.
        data: Data set in a layout of Market-1501 or CUHK03, such as an output of `deformgan reid
            augment`; test people are not read.
        out: Output folder of the run (created if missing).
        imagenet: ImageNet weights (.pth) of ResNet-50 or EfficientNet-Lite0; without them,
            ResNet-50 trains from scratch, lite0 from the weights of a package (extra reid).
        teacher: Network that labels generated photos: person_embedding (bundled), a
            baseline.safetensors or an .onnx file; by default they have their own labels.
        fraction: Percentage of every person's photos to train on, at least two of each; drawn by
            the setting `seed`.
        per_person: Number of photos of every person to train on, instead of a percentage.
        resume: Resume from the last checkpoint in the output folder.
        nobody: Identities that are not people, such as -1 0000; by default -1, and also 0000 unless
            training photos, queries or identity-split.json have it as a person.
        config: TOML file of settings.
        device: Device to train on, such as cpu or cuda.
        threads: Number of CPU threads; by default PyTorch's choice.
        json: Where to write the configuration and the numbers of photos as JSON.
        settings: Settings by name, listed by `--help`.
    """
    from deformgan.device import find_device
    from deformgan.provenance import provenance
    from deformgan.reid.baselines import BASELINES
    from deformgan.reid.fractions import keep_some
    from deformgan.reid.teacher import open_teacher, teacher_labels
    from deformgan.reid.train import RESULT, train_baseline
    from deformgan.reid.training_photos import read_training_photos
    from deformgan.training.checkpoints import steps_saved
    from deformgan.training.engine import DivergedError
    from deformgan.training.launch import open_fabric

    plan = read_settings(BASELINES, "baseline", baseline, config, {}, settings)
    if steps_saved(out) and not resume:
        raise InputError(f"{out} already contains a run; add --resume to continue it.")
    if imagenet is not None and plan.network == "light":
        raise InputError(f"--imagenet is for resnet50 and lite0 baselines, not for {baseline}.")
    if json is not None:
        output_file(json)
    set_threads(threads)
    fabric = open_fabric(find_device(device))
    photos = read_training_photos(data, size=plan.size, nobody=nobody)
    photos = keep_some(photos, data, fraction, per_person, plan.seed)
    say_nobody(nobody, data)
    if photos.num_classes < 2:
        raise InputError(f"{data} has photos of only one person; training needs at least two.")
    kept = {"fraction": fraction, "per_person": per_person}
    metadata = {**provenance(), "data": data.resolve().name, **kept}
    labels = None
    if teacher is not None and photos.generated.any():
        labels = teacher_labels(photos, open_teacher(teacher, str(fabric.device)).extract)
    display = ProgressDisplay(fabric.is_global_zero, plan.steps)
    try:
        train_baseline(
            plan,
            photos,
            output_dir(out),
            fabric=fabric,
            metadata=metadata,
            resume=resume,
            imagenet=imagenet,
            teacher=labels,
            report=display.report,
            on_step=display.step,
        )
    except DivergedError as error:
        display.close()
        print(f"deformgan: {error}")
        return DIVERGED
    display.close()
    if display.leads:
        print(out / RESULT)
        if json is not None:
            facts = {"photos": len(photos), "generated": int(photos.generated.sum())}
            write_json(json, {"config": asdict(plan), **metadata, **facts})
    return None
