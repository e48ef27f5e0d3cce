"""estimate: the time and memory of a run, measured on a trial step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.pair import Pair
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.gan import Gan
from deformgan.training.memory import memory_in_use, memory_limit
from deformgan.training.step import train_step


@dataclass(frozen=True)
class Estimate:
    """Time and memory requirements of a run.

    Attributes:
        seconds_per_step: Duration of this process' part of a step.
        memory: Peak memory of this process on its device, in bytes.
        available: Total memory of the device, in bytes, including this process'.
    """

    seconds_per_step: float
    memory: int
    available: int


def estimate(
    fabric: Fabric, draws: Sequence[Pair], features: Vgg19Features | None, config: TrainConfig
) -> Estimate:
    """Run two steps on temporary networks and measure the second.

    Args:
        fabric: Device, precision and processes of the run.
        draws: Batches of one step of the run.
        features: VGG-19 of the run.
        config: The run. Compilation is disabled, since it would take longer than the measurement.
    """
    config = replace(config, compile=False)
    gan = Gan.create(config, fabric)
    train_step(fabric, gan, draws, features, config, step=0)
    _wait(fabric)
    begun = time.monotonic()
    train_step(fabric, gan, draws, features, config, step=1)
    _wait(fabric)
    seconds = time.monotonic() - begun
    return Estimate(seconds, memory_in_use(fabric.device), memory_limit(fabric.device))


def mean_estimate(kinds: Sequence[Estimate], counts: Sequence[int]) -> Estimate:
    """Average over kinds of steps; memory is the largest.

    Args:
        kinds: Estimate of each kind.
        counts: Number of steps of each kind.
    """
    seconds = [kind.seconds_per_step * count for kind, count in zip(kinds, counts, strict=True)]
    memory = max(kind.memory for kind in kinds)
    return Estimate(sum(seconds) / sum(counts), memory, kinds[0].available)


def _wait(fabric: Fabric) -> None:
    if fabric.device.type == "cuda":
        torch.cuda.synchronize(fabric.device)
