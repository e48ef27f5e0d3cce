"""estimate: what a run will take, from one rehearsed step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.pair import Pair
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.memory import memory_in_use, memory_limit
from deformgan.training.players import Players
from deformgan.training.step import train_step


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        seconds_per_step: Of this process' part.
        memory: Bytes in use at the peak, of this process on its device.
        available: Bytes that there are, ours included.
    """

    seconds_per_step: float
    memory: int
    available: int


def estimate(
    fabric: Fabric, draws: Sequence[Pair], features: Vgg19Features | None, config: TrainConfig
) -> Estimate:
    """Rehearses two steps on players of its own, which are forgotten, and times the second.

    Args:
        fabric: Of the run.
        draws: Batches of one step of the run.
        features: Of the run.
        config: The run. The rehearsal is never compiled: that would take longer than it tells.
    """
    config = replace(config, compile=False)
    players = Players.create(config, fabric)
    train_step(fabric, players, draws, features, config, step=0)
    _wait(fabric)
    begun = time.monotonic()
    train_step(fabric, players, draws, features, config, step=1)
    _wait(fabric)
    seconds = time.monotonic() - begun
    return Estimate(seconds, memory_in_use(fabric.device), memory_limit(fabric.device))


def mean_estimate(kinds: Sequence[Estimate], counts: Sequence[int]) -> Estimate:
    """Average over kinds of steps.

    Args:
        kinds: What each takes.
        counts: How often each comes.
    """
    seconds = [kind.seconds_per_step * count for kind, count in zip(kinds, counts, strict=True)]
    memory = max(kind.memory for kind in kinds)
    return Estimate(sum(seconds) / sum(counts), memory, kinds[0].available)


def _wait(fabric: Fabric) -> None:
    if fabric.device.type == "cuda":
        torch.cuda.synchronize(fabric.device)
