"""Training steps, and the data loader beside them."""

import tempfile
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import torch

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.bench.share import Share, pose_share
from deformgan.bench.timing import Run, Spread, alternate, time_run
from deformgan.datasets import PhotoSet, open_dataset
from deformgan.datasets.batches import PairBatches
from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.recipes.pedestrian import pedestrian_base
from deformgan.training.config import TrainConfig
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.step import train_step

REPEATS = 7  # copies of each bundled photo: 2,000 photos, about 50 MB, exceed CPU caches
LOADER_BATCHES = 16  # consecutive batches per timing of a loader
CUDA_BATCH, CUDA_STEPS = 64, 8  # enough to keep a GPU busy


@dataclass(frozen=True)
class LoaderSpeed:
    """Throughput of the data loader and of the training step that consumes its pairs.

    Attributes:
        batch_size: Pairs per batch, of loader and training step.
        images: Number of images in the data set.
        step: Pairs per second consumed by the training step of `pedestrian-base`.
        memory: Pairs per second loaded from images on the device.
        file: Pairs per second loaded from a memory-mapped file (in the page cache), through
            page-locked memory if the device is a GPU.
        memory_surplus: `memory` over `step`.
        file_surplus: `file` over `step`.
    """

    batch_size: int
    images: int
    step: float
    memory: float
    file: float
    memory_surplus: float
    file_surplus: float


@dataclass(frozen=True)
class StepSpeed:
    """Throughput of a training step of `pedestrian-base`.

    Attributes:
        batch_size: Pairs per step.
        precision: Precision of the networks.
        pairs_per_second: Median and quartiles over steps.
    """

    batch_size: int
    precision: str
    pairs_per_second: Spread


def loader_speed(
    device: str, seconds: float, data: Path | None = None, least: int = 3
) -> LoaderSpeed:
    """Time the data loader and the training step in alternation.

    Args:
        device: Device of the batches and the training step.
        seconds: Time to spend on repetitions.
        data: Data set to load; by default the bundled people, repeated.
        least: Number of repetitions to make even if they take longer.
    """
    config, steps = _config(device), _steps(device)
    with tempfile.TemporaryDirectory() as folder:
        mapped = _open(data, Path(folder))
        held = copy(mapped)
        held.images = mapped.images.clone()
        loaders = [
            PairBatches(dataset, config.batch_size, flip=config.flip, device=device, storage=place)
            for dataset, place in ((held, "device"), (mapped, "host"))
        ]
        learn = training_steps(config, loaders[0], device, steps)
        runs = [learn, *(_loading(loader) for loader in loaders)]
        for run in runs:
            run()
        batches = [steps, LOADER_BATCHES, LOADER_BATCHES]
        step, memory, file = (
            number * config.batch_size / Spread.of(times).median
            for number, times in zip(batches, alternate(runs, device, seconds, least), strict=True)
        )
        return LoaderSpeed(
            config.batch_size, len(held), step, memory, file, memory / step, file / step
        )


def step_speeds(
    device: str,
    seconds: float,
    batch_sizes: tuple[int, ...],
    precisions: tuple[str, ...],
    least: int = 3,
) -> list[StepSpeed]:
    """Time training steps.

    Args:
        device: Device to train on.
        seconds: Time to spend on each combination.
        batch_sizes: Pairs per step.
        precisions: See `TrainConfig`.
        least: Number of repetitions to make even if they take longer.
    """
    found = []
    for batch_size in batch_sizes:
        for precision in precisions:
            config = replace(_config(device), batch_size=batch_size, precision=precision)
            batches = PairBatches(bundled_photo_set(), batch_size, device=device)
            steps = _steps(device)
            taken = time_run(training_steps(config, batches, device, steps), device, seconds, least)
            found.append(StepSpeed(batch_size, precision, taken.rate(float(steps * batch_size))))
    return found


def pose_functions_share(device: str, seconds: float, least: int = 3) -> Share:
    """Measure the share of heat maps, masks and transforms in a step of `pedestrian-base`."""
    config = _config(device)
    batches = PairBatches(bundled_photo_set(), config.batch_size, device=device)
    step = training_steps(config, batches, device)
    step()
    return pose_share(step, device, seconds, least)


def training_steps(config: TrainConfig, batches: PairBatches, device: str, steps: int = 1) -> Run:
    """Return a function that takes training steps on one batch.

    Args:
        config: The run; VGG-19 gets random weights, whose values do not affect the time.
        batches: Where the batch comes from.
        device: Device to train on.
        steps: Number of steps that the function takes.
    """
    fabric = open_fabric(torch.device(device))
    gan = Gan.create(config, fabric)
    features = random_vgg19(config.vgg_layers).to(device)
    pair = batches[0]

    def learn() -> None:
        for step in range(steps):
            train_step(fabric, gan, [pair], features, config, step)

    return learn


def random_vgg19(layers: tuple[str, ...]) -> Vgg19Features:
    """Create a VGG-19 with random weights."""
    arrays = {
        f"{name}.{kind}": torch.randn(shape) * 0.05
        for name, outputs, inputs in (("conv1_1", 64, 3), ("conv1_2", 64, 64))
        for kind, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,)))
    }
    return Vgg19Features.from_arrays(arrays, layers)


def _config(device: str) -> TrainConfig:
    config = pedestrian_base()
    cuda = torch.device(device).type == "cuda"
    return replace(config, batch_size=CUDA_BATCH) if cuda else config


def _steps(device: str) -> int:
    return CUDA_STEPS if torch.device(device).type == "cuda" else 1


def _open(data: Path | None, cache: Path) -> PhotoSet:
    if data is None:
        return bundled_photo_set(REPEATS, cache)
    return open_dataset(data, cache=cache)


def _loading(loader: PairBatches) -> Callable[[], None]:
    steps: Iterator[int] = count()

    def run() -> None:
        for _ in range(LOADER_BATCHES):
            loader[next(steps)]

    return run
