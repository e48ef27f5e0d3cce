"""open_data: the photos of a run, as its recipe mixes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric import Fabric

from deformgan.datasets import open_dataset
from deformgan.datasets.batches import PairBatches
from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.pair import Pair
from deformgan.skeletons.setting import read_skeleton_setting
from deformgan.training.config import TrainConfig

NUM_SAMPLES = 8  # pairs in a sample grid, if there are so many


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Attributes:
        batches: The batch of every step.
        samples: Pairs of the first data set, to show progress on.
        size: Height and width of the images.
    """

    batches: PairBatches
    samples: Pair
    size: tuple[int, int]


def open_data(config: TrainConfig, folders: Sequence[Path], fabric: Fabric) -> TrainingData:
    """Reads the data sets of a run.

    Args:
        config: The run; says how large the share of the second data set is.
        folders: One data set of any kind that `open_dataset` knows, or two, the second of rendered
            people.
        fabric: Where batches are made; of several processes each gets its part of them.
    """
    skeleton = read_skeleton_setting(config.generator.skeleton)
    datasets = [open_dataset(folder, skeleton=skeleton) for folder in folders]
    return mix_datasets(config, datasets, fabric)


def mix_datasets(config: TrainConfig, datasets: Sequence[PhotoSet], fabric: Fabric) -> TrainingData:
    """Makes batches of data sets that are open already; else as `open_data`."""
    share = config.rendered_share if len(datasets) > 1 else 0.0
    batches = PairBatches(
        datasets,
        config.batch_size,
        proportions=[1 - share, share][: len(datasets)],
        seed=config.seed,
        flip=config.flip,
        skeleton=read_skeleton_setting(config.generator.skeleton),
        device=fabric.device,
        backgrounds=config.generator.background,
        place=fabric.global_rank,
        places=fabric.world_size,
    )
    height, width = datasets[0].size
    stride = config.generator.stride
    if height % stride or width % stride:
        raise InputError(
            f"The photos are {height}x{width}; height and width must be multiples of {stride} for "
            f"the {len(config.generator.encoder_widths)} levels of this generator."
        )
    # Once is no reason to have the images on the device a second time.
    samples = PairBatches(
        datasets[0],
        min(NUM_SAMPLES, len(datasets[0].pairs)),
        seed=config.seed + 1,
        device=fabric.device,
        storage="host",
        backgrounds=config.generator.background,
    )[0]
    return TrainingData(batches, samples, datasets[0].size)
