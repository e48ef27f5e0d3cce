"""The command `deformgan train`."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from deformgan.cli.outputs import output_dir
from deformgan.errors import InputError


def train(
    recipe: str,
    /,
    *,
    data: Path,
    out: Path,
    rendered: Path | None = None,
    vgg: Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    precision: Literal["auto", "float32", "bfloat16"] | None = None,
    seed: int | None = None,
    log_every: int | None = None,
    save_every: int | None = None,
) -> None:
    """Train a generator.

    Args:
        recipe: Name of the run to make, such as pedestrian-small.
        data: Data set in Market-1501's layout with an annotation table.
        out: Folder of the run; created.
        rendered: A second data set of rendered people, mixed in as the recipe says.
        vgg: VGG-19 weights for the losses (.npz or torchvision's .pth); else torch's hub folder.
        resume: Go on from the folder's checkpoint.
        device: Where to train, such as cpu or cuda.
        threads: CPU threads; by default torch's choice.
        steps: Instead of the recipe's.
        batch_size: Instead of the recipe's.
        learning_rate: Instead of the recipe's.
        precision: Instead of the recipe's.
        seed: Instead of the recipe's.
        log_every: Instead of the recipe's.
        save_every: Instead of the recipe's.
    """
    import torch

    from deformgan.backbones.vgg19 import Vgg19Features
    from deformgan.cli.inputs import check_device
    from deformgan.recipes import RECIPES
    from deformgan.training.data import open_data
    from deformgan.training.loop import CHECKPOINT, provenance
    from deformgan.training.loop import train as run

    if recipe not in RECIPES:
        raise InputError(f"Unknown recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    chosen = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "precision": precision,
        "seed": seed,
        "log_every": log_every,
        "save_every": save_every,
    }
    for name, value in {**chosen, "threads": threads}.items():
        if isinstance(value, int | float) and (value < 0 or (value == 0 and name != "seed")):
            raise InputError(f"--{name.replace('_', '-')} must be positive, got {value}.")
    if (out / CHECKPOINT).exists() and not resume:
        raise InputError(f"{out} already holds a run; add --resume to go on with it.")
    config = RECIPES[recipe]()
    config = replace(config, **{key: value for key, value in chosen.items() if value is not None})
    if threads is not None:
        torch.set_num_threads(threads)
    place = torch.device(check_device(device))
    layers = config.weights.vgg_layers
    features = Vgg19Features(vgg, layers).to(place) if layers else None

    folders = [folder for folder in (data, rendered) if folder is not None]
    photos = open_data(config, folders, place)
    output_dir(out)
    metadata = {
        **provenance(),
        "data": [folder.resolve().name for folder in folders],
        "size": list(photos.size),
    }
    result = run(
        config,
        photos.batches,
        out,
        features=features,
        samples=photos.samples,
        device=place,
        metadata=metadata,
        resume=resume,
    )
    print(result)
