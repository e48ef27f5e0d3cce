"""open_data: the training data of a run, mixed as its recipe specifies."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets import open_dataset
from deformgan.datasets.batches import MixedBatches, PairBatches, has_truth
from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.pair import Pair
from deformgan.skeletons.setting import read_skeleton_setting
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric

NUM_SAMPLES = 8  # pairs in a sample grid, at most


@dataclass(frozen=True)
class TrainingData:
    """Training data of a run.

    Attributes:
        batches: The batch of every step.
        samples: Pairs of the first data set for sample grids.
        size: Height and width of its images; for a layered generator, which accepts any size, those
            of the framing of people in photos of any size: half as wide as high.
    """

    batches: PairBatches | MixedBatches
    samples: Pair
    size: tuple[int, int]


def open_data(
    config: TrainConfig,
    folders: Sequence[Path],
    fabric: Fabric,
    rendered: Sequence[Path] = (),
    nobody: Collection[str] | None = None,
) -> TrainingData:
    """Open the data sets of a run and mix them.

    Args:
        config: The run; determines the share of each set.
        folders: Data sets of any kind that `open_dataset` supports.
        fabric: Device of the batches; each of several processes gets its part of them.
        rendered: Additional sets of rendered people.
        nobody: Identities of `folders` that are not people; see `open_dataset`.
    """
    skeleton = read_skeleton_setting(config.generator.skeleton)
    datasets = [open_dataset(folder, skeleton=skeleton, nobody=nobody) for folder in folders]
    last = [open_dataset(folder, skeleton=skeleton) for folder in rendered]
    return mix_datasets(config, datasets, fabric, last)


def mix_datasets(
    config: TrainConfig,
    datasets: Sequence[PhotoSet],
    fabric: Fabric,
    rendered: Sequence[PhotoSet] = (),
) -> TrainingData:
    """Mix data sets that are already open; otherwise as `open_data`."""
    everything = [*datasets, *rendered]
    _check_sizes(config, everything)
    share = config.rendered_share if rendered else 0.0
    if config.shares and len(config.shares) != len(datasets):
        given = "is 1 set" if len(datasets) == 1 else f"are {len(datasets)} sets"
        raise InputError(
            f"There {given} of photos, but --shares lists {len(config.shares)}; give one share "
            "per set of --data."
        )
    shares = config.shares or (1.0,) * len(datasets)
    proportions = [(1 - share) * one / sum(shares) for one in shares]
    proportions += [share / len(rendered) for _ in rendered]
    sizes = {dataset.size for dataset in everything}
    alike = len(sizes) == 1
    if not alike and config.draws > 1:
        raise InputError(
            f"A step with {config.draws} draws needs photos of one size, but these are "
            f"{_listed(sizes)}; set --draws 1."
        )
    if alike and config.generator.layers is None:
        batches = _batches(config, everything, fabric, proportions=proportions)
    else:
        kinds = [
            _batches(config, [dataset], fabric, truth=has_truth(dataset)) for dataset in everything
        ]
        batches = MixedBatches(kinds, proportions) if len(kinds) > 1 else kinds[0]
    # For one batch, the images are not copied to the device a second time.
    samples = PairBatches(
        datasets[0],
        min(NUM_SAMPLES, len(datasets[0].pairs)),
        seed=config.seed + 1,
        device=fabric.device,
        storage="host",
        backgrounds=config.generator.background,
    )[0]
    layers = config.generator.layers
    size = datasets[0].size if layers is None else (layers.rows, layers.rows // 2)
    return TrainingData(batches, samples, size)


def _batches(
    config: TrainConfig,
    datasets: Sequence[PhotoSet],
    fabric: Fabric,
    truth: bool = False,
    proportions: Sequence[float] | None = None,
) -> PairBatches:
    return PairBatches(
        datasets,
        config.batch_size,
        proportions=proportions,
        seed=config.seed,
        flip=config.flip,
        skeleton=read_skeleton_setting(config.generator.skeleton),
        device=fabric.device,
        backgrounds=config.generator.background,
        truth=truth and config.generator.layers is not None,
        place=fabric.global_rank,
        places=fabric.world_size,
    )


def _check_sizes(config: TrainConfig, datasets: Sequence[PhotoSet]) -> None:
    if config.generator.layers is not None:
        _check_shapes(config, datasets)
        return
    stride = config.generator.stride
    for height, width in {dataset.size for dataset in datasets}:
        if height % stride or width % stride:
            raise InputError(
                f"The photos are {height}x{width}; height and width must be multiples of {stride} "
                f"for the {len(config.generator.encoder_widths)} levels of this generator."
            )


def _check_shapes(config: TrainConfig, datasets: Sequence[PhotoSet]) -> None:
    judge = config.discriminator
    least = 2 ** (len(judge.widths) + 1) + 2  # for one patch
    for height, width in {dataset.size for dataset in datasets}:
        rows = min(height, judge.rows or height)
        if min(rows, round(rows * width / height)) < least:
            raise InputError(
                f"The photos are {height}x{width}; the discriminator judges {rows} rows of them "
                f"and needs {least} rows and columns."
            )


def _listed(sizes: set[tuple[int, int]]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
