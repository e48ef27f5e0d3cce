"""The command `deformgan ablate`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deformgan.cli.outputs import write_json, written_beside
from deformgan.cli.training import (
    DIVERGED,
    read_plan,
    set_threads,
    skeleton_settings,
    train_on_screen,
)
from deformgan.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from deformgan.datasets.photo_set import PhotoSet
    from deformgan.models.generator import Generator
    from deformgan.training.config import TrainConfig

REPORT, TABLE, FIGURE = "ablation.json", "ablation.md", "ablation.png"


def ablate(
    *,
    data: Path,
    out: Path,
    variants: tuple[str, ...] = (),
    recipe: str = "paper-market-full",
    rendered: Path | None = None,
    skeleton: str | None = None,
    vgg: Path | None = None,
    init: str | None = None,
    judges: Path | None = None,
    pairs: int = 500,
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
    settings: Sequence[str] = (),
) -> int | None:
    """Train variants of the method at equal budget, and compare them on people held out.

    Variants of the paper: baseline, dsc, percloss, full. More: full-l2, no-warp, global (one
    transform for all), learned (one found by a network), average (of parts that overlap), nearest
    (reading of features). Full with L1 is dsc; full itself has the maximum of parts and bilinear
    reading.

    Variants of a layered recipe: layers, no-correction (of the field), no-truth (pictures alone
    teach), hard-overlay (the field begins with hard parts), no-copy (all is paint), paint-only (no
    layers). Their truth comes from --rendered.

    All else is the recipe's, and its settings can be changed as in `deformgan train`. A data set
    without test people has every fifth held out.

    Args:
        data: Data set of any kind that `data check` knows.
        out: Folder for a run per variant, ablation.json, ablation.md and ablation.png; created.
        variants: Which to compare, the first with all others; by default the first four, and of a
            layered recipe all.
        recipe: The whole method, such as paper-market-full, or paper-market-small and
            layered-small for a CPU.
        rendered: A second data set of rendered people, mixed in as the recipe says.
        skeleton: Of the poses, a name or a JSON file; by default the recipe's.
        vgg: VGG-19 weights for the losses (.npz or torchvision's .pth); else torch's hub folder.
        init: Generator that every variant starts from, as far as both have the same weights: a
            bundled name or a file; by default random weights.
        judges: Folder with MoveNet, OSNet and FastestDet, to score pose, identity and detection.
        pairs: How many test pairs to score.
        resume: Go on where the folder's ablation stopped.
        config: TOML file of settings.
        device: Where to train and to generate, such as cpu or cuda.
        threads: CPU threads; by default torch's choice.
        steps: Of every variant, instead of the recipe's.
        batch_size: Instead of the recipe's; over all processes.
        learning_rate: Instead of the recipe's.
        precision: Instead of the recipe's.
        seed: Instead of the recipe's.
        log_every: Instead of the recipe's.
        save_every: Instead of the recipe's.
        settings: See above.
    """
    # All of it now, so that a long run ends with the program that it began with.
    import torch

    from deformgan.backbones.vgg19 import Vgg19Features
    from deformgan.cli.inputs import check_device
    from deformgan.datasets import open_dataset
    from deformgan.datasets.held_out import open_split
    from deformgan.datasets.pairs import sample_test_pairs
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
    base = read_plan(recipe, config, named, settings)
    plans = make_variants(base, variants or usual_variants(base))
    if pairs < 1:
        raise InputError(f"--pairs must be positive, got {pairs}.")
    _check_folders(out, plans, resume)
    start, taken = _read_start(init, plans)
    set_threads(threads)
    fabric = open_fabric(torch.device(check_device(device)))
    features = {
        name: Vgg19Features(vgg, layers, base.vgg_channel_order).to(fabric.device)
        for name, plan in plans.items()
        if (layers := plan.vgg_layers)
    }
    joints = read_skeleton_setting(base.generator.skeleton)
    people = open_split(data, joints)
    second = [] if rendered is None else [open_dataset(rendered, skeleton=joints)]
    _check_truth(base, second)
    photos = mix_datasets(base, [people.train], fabric, second)
    chosen = sample_test_pairs(people.test.pairs, pairs)
    if not len(chosen):
        raise InputError(f"{data} has no pair of usable photos of one person to test on.")
    networks = load_judges(judges) if judges is not None else {}
    folders = [folder.resolve().name for folder in (data, rendered) if folder is not None]
    metadata = {**provenance(), "data": folders, "size": list(photos.size)}
    if init is not None:
        metadata["init"] = Path(init).name
    for number, (name, plan) in enumerate(plans.items(), start=1):
        if fabric.is_global_zero:
            print(f"{name} ({number} of {len(plans)})", flush=True)
        done = train_on_screen(
            plan,
            photos,
            out / name,
            fabric=fabric,
            features=features.get(name),
            metadata=metadata,
            resume=resume,
            start=start,
        )
        if done is None:
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
    """Refuses to touch runs that are there already, and what would be no equal budget."""
    from deformgan.training.checkpoints import steps_saved

    saved = {name: steps_saved(out / name) for name in plans}
    if any(saved.values()) and not resume:
        raise InputError(f"{out} already holds runs; add --resume to go on with them.")
    for name, plan in plans.items():
        if saved[name] > plan.steps:
            raise InputError(
                f"{out / name} has {saved[name]} steps already, more than the {plan.steps} of an "
                "equal budget; give --steps or choose another folder."
            )


def _check_truth(base: "TrainConfig", second: "Sequence[PhotoSet]") -> None:
    """Refuse to learn from truth without a data set that knows any."""
    from deformgan.datasets.batches import has_truth

    if base.weights.of_opacity and not any(has_truth(known) for known in second):
        raise InputError(
            f"{base.recipe} learns from truth, which only rendered people have: give --rendered, a "
            "set with surfaces, masks and backgrounds."
        )


def _read_start(
    init: str | None, plans: "dict[str, TrainConfig]"
) -> "tuple[Generator | None, dict[str, float]]":
    """Load what every variant starts from, and what share of each one's weights that is."""
    import torch

    from deformgan.checkpoint import load_generator
    from deformgan.models.generator import Generator
    from deformgan.training.players import weights_to_take

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
                f"{init} is a generator of another shape than {plan.recipe} trains; leave --init "
                "out, or choose other --variants."
            ) from None
        every = sum(weight.numel() for weight in network.state_dict().values())
        shares[name] = sum(weight.numel() for weight in taken.values()) / every
    return start, shares


def _write(out: Path, report: dict[str, Any], table: str, figure: "Image") -> None:
    with written_beside(out / TABLE) as unfinished:
        unfinished.write_text(table, encoding="utf-8")
    with written_beside(out / FIGURE) as unfinished:
        figure.save(unfinished)
    write_json(out / REPORT, report)
    print(table)
    print("\n".join(str(out / name) for name in (REPORT, TABLE, FIGURE)))


def _budget(folder: Path, plan: "TrainConfig") -> dict[str, Any]:
    """Says what a variant is and what it took: seconds of its steps, over all sessions."""
    from deformgan.training.records import METRICS

    seconds, before = 0.0, 0
    for line in (folder / METRICS).read_text().splitlines():
        record = json.loads(line)
        samples = (record["step"] - before) * plan.batch_size
        seconds, before = seconds + samples / record["samples_per_second"], record["step"]
    return {
        "config": asdict(plan),
        "samples": plan.steps * plan.batch_size,
        "seconds": seconds,
    }
