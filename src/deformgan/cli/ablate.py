"""The command `deformgan ablate`."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_dir
from deformgan.cli.training import (
    DIVERGED,
    read_plan,
    set_threads,
    skeleton_settings,
    train_with_progress,
)
from deformgan.errors import InputError
from deformgan.files import one_at_a_time, read_back, write_image, write_json, write_text

if TYPE_CHECKING:
    from PIL.Image import Image

    from deformgan.datasets.photo_set import PhotoSet
    from deformgan.models.generator import Generator
    from deformgan.training.config import TrainConfig

REPORT, TABLE, FIGURE = "ablation.json", "ablation.md", "ablation.png"
_LOCK = ".ablation.lock"


def ablate(
    *,
    data: Path,
    out: Path,
    variants: tuple[str, ...] = (),
    recipe: str = "paper-market-full",
    rendered: Path | None = None,
    skeleton: str | None = None,
    vgg: Path | None = None,
    download: bool = False,
    init: str | None = None,
    judges: Path | None = None,
    pairs: int = 500,
    resume: bool = False,
    nobody: tuple[str, ...] | None = None,
    config: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    settings: Annotated[Sequence[str], "deformgan.training.config.TrainConfig"] = (),
) -> int | None:
    """Train variants of the method with equal budgets, and compare them.

    The comparison is on people held out from training; if a data set has no test people, every
    fifth person is held out.

    Variants of the paper: baseline, dsc, percloss, full. Further ones: full-l2, no-warp,
    global (one transform for the whole person), learned (one transform predicted by a network),
    average (of overlapping parts), nearest (nearest-neighbour sampling of features). dsc is full
    with an L1 loss; full itself takes the maximum of overlapping parts and samples bilinearly.

    Variants of a layered recipe: layers, no-correction (of the field), no-truth (learning from
    pictures only), hard-overlay (the field starts from hard parts), no-copy (everything is
    painted), paint-only (no layers). Ground truth for them comes from --rendered.

    All other settings are the recipe's, listed below, and can be changed as in `deformgan train`.

    Args:
        data: Data set in any layout supported by `deformgan data check`.
        out: Output folder for one run per variant, ablation.json, ablation.md and
            ablation.png (created if missing).
        variants: Variants to compare, the first with all others; by default the paper's four, or
            all for a layered recipe.
        recipe: Recipe of the full method, such as paper-market-full, or paper-market-small and
            layered-small for a CPU.
        rendered: A second data set, of rendered people, mixed in as the recipe specifies.
        skeleton: Skeleton of the poses, a built-in name or a JSON file; by default the recipe's.
        vgg: VGG-19 weights for the losses (.npz, or torchvision's .pth); by default torchvision's
            file in PyTorch's hub folder.
        download: Download VGG-19 weights (548 MB, from PyTorch) if they are needed and missing.
        init: Generator that every variant starts from, the name of bundled weights or a file; only
            weights that a variant shares with it are loaded. By default random weights.
        judges: Folder with MoveNet, OSNet and FastestDet, to score pose, identity and detection.
        pairs: Number of test pairs to score.
        resume: Resume the ablation in the output folder.
        nobody: Identities of Market-1501's layout that are not people, such as -1 0000; by
            default -1, and also 0000 unless training photos, queries or identity-split.json have it
            as a person.
        config: TOML file of settings.
        device: Device to train and generate on, such as cpu or cuda.
        threads: Number of CPU threads; by default PyTorch's choice.
        settings: Settings by name, listed by `--help`.
    """
    # Import everything now, so that a long run does not pick up code that changes meanwhile.

    from deformgan.backbones.vgg19 import Vgg19Features
    from deformgan.datasets import open_dataset
    from deformgan.datasets.held_out import open_split
    from deformgan.datasets.pairs import sample_test_pairs
    from deformgan.device import find_device
    from deformgan.evaluation.ablation import (
        compare_variants,
        draw_figure,
        paint_variants,
        write_table,
    )
    from deformgan.evaluation.judges import load_judges
    from deformgan.provenance import provenance
    from deformgan.recipes.ablation import make_variants, usual_variants
    from deformgan.skeletons.setting import read_skeleton_setting
    from deformgan.training.data import mix_datasets
    from deformgan.training.launch import open_fabric
    from deformgan.training.loop import RESULT
    from deformgan.training.run import Run

    base = read_plan(recipe, config, skeleton_settings(skeleton), settings)
    plans = make_variants(base, variants or usual_variants(base))
    if pairs < 1:
        raise InputError(f"--pairs must be positive, got {pairs}.")
    _check_folders(out, plans, resume)
    start, taken = _read_start(init, plans)
    set_threads(threads)
    fabric = open_fabric(find_device(device))
    features = {
        name: Vgg19Features(vgg, layers, base.vgg_channel_order, download).to(fabric.device)
        for name, plan in plans.items()
        if (layers := plan.vgg_layers)
    }
    joints = read_skeleton_setting(base.generator.skeleton)
    people = open_split(data, joints, nobody)
    say_nobody(nobody, data)
    second = [] if rendered is None else [open_dataset(rendered, skeleton=joints)]
    _check_truth(base, second)
    photos = mix_datasets(base, [people.train], fabric, second)
    chosen = sample_test_pairs(people.test.pairs, pairs)
    if not len(chosen):
        raise InputError(f"{data} has no test pair: two usable photos of one person.")
    networks = load_judges(judges) if judges is not None else {}
    folders = [folder.resolve().name for folder in (data, rendered) if folder is not None]
    metadata = {**provenance(), "data": folders, "size": list(photos.size)}
    if init is not None:
        metadata["init"] = Path(init).name
    lock = output_dir(out) / _LOCK
    with one_at_a_time(lock, str(out)) if fabric.is_global_zero else nullcontext():
        for number, (name, plan) in enumerate(plans.items(), start=1):
            if fabric.is_global_zero:
                print(f"{name} ({number} of {len(plans)})", flush=True)
            run = Run(plan, fabric, photos, features.get(name), start, metadata)
            if train_with_progress(run, out / name, resume=resume) is None:
                return DIVERGED
        if not fabric.is_global_zero:
            return None
        files = {name: out / name / RESULT for name in plans}
        pictures = paint_variants(files, people.test, chosen, fabric.device)
        found = compare_variants(pictures, people.test, chosen, networks)
        report = {
            "protocol": {
                "name": "deformgan-1",
                "data": folders[0],
                "split": people.rule,
                "pairs": len(chosen),
                "identities": len({people.test.identities[row] for row in chosen[:, 1].tolist()}),
                "samples": base.steps * base.batch_size,
                "judges": sorted(networks),
                "init": metadata.get("init"),
            },
            "base": asdict(base),
            **found,
            "variants": {
                name: {
                    **_budget(out / name, plan),
                    "taken": taken.get(name, 0.0),
                    **found["variants"][name],
                }
                for name, plan in plans.items()
            },
            **provenance(),
        }
        _write(out, report, write_table(report), draw_figure(pictures, people.test, chosen))
        return None


def _check_folders(out: Path, plans: "dict[str, TrainConfig]", resume: bool) -> None:
    """Check that existing runs may be resumed and do not exceed the equal budget."""
    from deformgan.training.checkpoints import steps_saved

    saved = {name: steps_saved(out / name) for name in plans}
    if any(saved.values()) and not resume:
        raise InputError(f"{out} already contains runs; add --resume to continue them.")
    for name, plan in plans.items():
        if saved[name] > plan.steps:
            raise InputError(
                f"{out / name} already has {saved[name]} steps, more than the equal budget of "
                f"{plan.steps}; use another --steps or another folder."
            )


def _check_truth(base: "TrainConfig", second: "Sequence[PhotoSet]") -> None:
    """Check that a recipe that learns from ground truth has a data set with it."""
    from deformgan.datasets.batches import has_truth

    if base.weights.of_opacity and not any(has_truth(known) for known in second):
        raise InputError(
            f"{base.recipe} learns from ground truth; add --rendered, a data set of rendered "
            "people with surfaces, masks and backgrounds."
        )


def _read_start(
    init: str | None, plans: "dict[str, TrainConfig]"
) -> "tuple[Generator | None, dict[str, float]]":
    """Load the common start, and the share of each variant's weights that it provides."""
    import torch

    from deformgan.checkpoint import load_generator
    from deformgan.models.generator import Generator
    from deformgan.training.gan import weights_to_take

    if init is None:
        return None, {}
    start, _ = load_generator(init)
    shares = {}
    for name, plan in plans.items():
        with torch.device("meta"):
            network = Generator(plan.generator)
        try:
            taken = weights_to_take(start, network)
        except InputError:
            raise InputError(
                f"The generator {init} has a different architecture than {plan.recipe}; remove "
                "--init, or choose other --variants."
            ) from None
        every = sum(weight.numel() for weight in network.state_dict().values())
        shares[name] = sum(weight.numel() for weight in taken.values()) / every
    return start, shares


def _write(out: Path, report: dict[str, Any], table: str, figure: "Image") -> None:
    write_text(out / TABLE, table)
    write_image(out / FIGURE, figure)
    write_json(out / REPORT, report)
    print(table)
    print("\n".join(str(out / name) for name in (REPORT, TABLE, FIGURE)))


def _budget(folder: Path, plan: "TrainConfig") -> dict[str, Any]:
    """Return configuration, samples and seconds of training over all sessions of a variant."""
    from deformgan.training.records import METRICS

    seconds, before = 0.0, 0
    path = folder / METRICS
    with read_back(path, "remove its folder to train it again"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            samples = (record["step"] - before) * plan.batch_size
            seconds, before = seconds + samples / record["samples_per_second"], record["step"]
    return {
        "config": asdict(plan),
        "samples": plan.steps * plan.batch_size,
        "seconds": seconds,
    }
