"""open_data: the photos of a run, as its recipe mixes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric import Fabric

from deformgan.datasets import open_dataset
from deformgan.datasets.batches import PairBatches
from deformgan.pair import Pair
from deformgan.skeletons import SKELETONS
from deformgan.training.config import TrainConfig

NUM_SAMPLES = 8  # pairs in a sample grid


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
    datasets = [open_dataset(folder) for folder in folders]
    share = config.rendered_share if len(datasets) > 1 else 0.0
    batches = PairBatches(
        datasets,
        config.batch_size,
        proportions=[1 - share, share][: len(datasets)],
        seed=config.seed,
        flip=config.flip,
        skeleton=SKELETONS[config.generator.skeleton],
        device=fabric.device,
        place=fabric.global_rank,
        places=fabric.world_size,
    )
    # Once is no reason to have the images on the device a second time.
    samples = PairBatches(
        datasets[0], NUM_SAMPLES, seed=config.seed + 1, device=fabric.device, storage="host"
    )[0]
    return TrainingData(batches, samples, datasets[0].size)
