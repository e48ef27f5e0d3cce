"""The command `deformgan reid experiment`."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_dir
from deformgan.cli.training import DIVERGED, read_settings, set_threads
from deformgan.errors import InputError
from deformgan.files import write_json, write_text

if TYPE_CHECKING:
    from deformgan.reid.experiment import Experiment
    from deformgan.reid.experiment_runs import PlannedRun

REPORT, MARKDOWN = "experiment.json", "experiment.md"


def experiment(
    *,
    data: Path,
    out: Path,
    baselines: tuple[str, ...] = ("light-bot",),
    augmenters: tuple[str, ...] = ("copy", "jitter", "affine"),
    alphas: tuple[int, ...] = (1, 2),
    entries: tuple[Literal["mixed", "on-top", "first", "late"], ...] = ("mixed",),
    fractions: tuple[int, ...] = (100,),
    per_person: tuple[int, ...] = (),
    erasing: Literal["both", "on", "off"] = "on",
    seeds: tuple[int, ...] = (0, 1, 2),
    imagenet: Path | None = None,
    teacher: str | None = None,
    test_data: Path | None = None,
    networks: Path | None = None,
    minutes: float | None = None,
    nobody: tuple[str, ...] | None = None,
    config: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    settings: Annotated[Sequence[str], "deformgan.reid.baseline.BaselineConfig"] = (),
) -> int | None:
    """Measure whether generated photos improve Re-ID, with significance tests.

    Trains baselines with and without generated photos, and tests all on the same people. Generated
    photos enter in one of the ways of --entries; the report counts how often each run saw real and
    generated photos. It has mean and spread over seeds, and the difference to
    real photos alone, with intervals and significance over seeds and over test people. Finished
    runs are kept: start the command again to continue, or to add seeds; start it twice on one
    folder to train two runs at a time. The paper's whole design and more is --alphas 1 2
    10 --fractions 20 40 60 80 100 --erasing both. The settings of the baselines, listed below, can
    be changed as in `deformgan reid train`.

    Args:
        data: Real photos, in a layout of Market-1501 or CUHK03.
        out: Output folder for experiment.json, experiment.md, figures and one folder per
            run (created if missing).
        baselines: Baselines to train; see `deformgan reid train`.
        augmenters: Sources of additional photos: NAME=FOLDER, an output of `deformgan reid augment`
            or any pictures named STEMgNUMBER.jpg or FROM__TO.png; or copy (the control: the real
            photos again), jitter (modified copies), affine (one transform into another pose);
            or more-steps (the control without them: real photos alone, at equal cost).
        alphas: Total number of photos, as multiples of the real ones; 1 is always included.
        entries: How generated photos enter: mixed (one pool), on-top (beside every real batch),
            first (before the real ones), late (on top from a later step on); see --added, --switch
            and the settings after them.
        fractions: Percentages of every identity's photos to keep.
        per_person: Numbers of every identity's photos to keep, in addition to --fractions.
        erasing: Train with random erasing, without it, or both.
        seeds: Random seeds for initial weights, kept photos and data order.
        imagenet: ImageNet weights (.pth) of ResNet-50 or EfficientNet-Lite0; without them,
            ResNet-50 trains from scratch, lite0 from the weights of a package (extra reid).
        teacher: Network that labels generated photos: person_embedding (bundled), a
            baseline.safetensors or an .onnx file; by default they have their own labels.
        test_data: Another data set to test on, e.g. across data sets.
        networks: Output of an experiment that differs in its test data alone: networks that it
            trained are tested instead of training them again.
        minutes: Time limit: start no run that would not finish within it.
        nobody: Identities that are not people, such as -1 0000; by default -1, and also 0000 unless
            training photos, queries or identity-split.json have it as a person.
        config: TOML file of settings.
        device: Device to train on, such as cpu or cuda.
        threads: Number of CPU threads; by default PyTorch's choice.
        settings: Settings by name, listed by `--help`.
    """
    begun = time.monotonic()

    from deformgan.device import find_device
    from deformgan.reid.baselines import BASELINES
    from deformgan.reid.experiment import Experiment
    from deformgan.reid.experiment_runs import execute_runs, plan_runs
    from deformgan.training.engine import DivergedError
    from deformgan.training.launch import open_fabric

    folders = _read_augmenters(augmenters)
    planned = plan_runs(
        baselines, list(folders), alphas, fractions, erasing, seeds, entries, per_person
    )
    plans = {
        name: read_settings(BASELINES, "baseline", name, config, {}, settings) for name in baselines
    }
    if imagenet is not None and any(plan.network == "light" for plan in plans.values()):
        raise InputError("--imagenet is for resnet50 and lite0 baselines only.")
    set_threads(threads)
    fabric = open_fabric(find_device(device))
    if fabric.world_size > 1:
        raise InputError(
            "An experiment runs in one process; instead of torchrun, start it several times on one "
            "--out."
        )
    trial = Experiment.open(
        data,
        plans,
        folders,
        fabric,
        nobody,
        test_data,
        imagenet=imagenet,
        teacher=teacher,
        networks=networks,
    )
    for one in planned:  # check all first, rather than fail hours later
        trial.find_trained(one)
    say_nobody(nobody, data)
    output_dir(out)
    try:
        left = execute_runs(
            planned,
            out,
            trial.settings,
            trial.measure,
            report=lambda line: print(line, flush=True),
            deadline=None if minutes is None else begun + 60 * minutes,
            finished=lambda: write(out, planned, trial),
        )
    except DivergedError as error:
        print(f"deformgan: {error}")
        return DIVERGED
    figures = write(out, planned, trial)
    if left:
        print(f"{len(left)} of {len(planned)} runs are left: out of time, or running elsewhere.")
    print("\n".join(str(out / name) for name in (REPORT, MARKDOWN, *figures)))
    return None


def write(out: Path, planned: "Sequence[PlannedRun]", trial: "Experiment") -> list[str]:
    """Write the report of all finished runs, one process after the other.

    Args:
        out: Output folder of the experiment.
        planned: All runs of the design.
        trial: What the runs have in common.

    Returns:
        File names of the figures.
    """
    from deformgan.draw.plots import save_plot
    from deformgan.reid.experiment_figures import draw_figures
    from deformgan.reid.experiment_report import write_report
    from deformgan.reid.experiment_runs import in_turn, read_results
    from deformgan.reid.experiment_summary import summarize

    with in_turn(out):
        report = summarize(read_results(planned, out), planned, trial.describe())
        figures = draw_figures(report)
        for name, figure in figures.items():
            save_plot(figure, out / name)
        write_text(out / MARKDOWN, write_report(report, list(figures)))
        write_json(out / REPORT, report)
        return list(figures)


def _read_augmenters(words: Sequence[str]) -> dict[str, Path | None]:
    """Parse NAME=FOLDER, or the name of a built-in augmenter."""
    folders: dict[str, Path | None] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not re.fullmatch(r"[\w.-]+", name) or (equals and not folder):
            raise InputError(f"--augmenters takes NAME=FOLDER or a name, got {word!r}.")
        if name in folders:
            raise InputError(f"Two augmenters are named {name!r}; rename one.")
        folders[name] = Path(folder) if equals else None
    return folders
