"""Student: a network that learns by AdamW, with a running average of its weights."""

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deformgan.errors import InputError
from deformgan.training.checkpoints import checkpoints
from deformgan.training.engine import Progress

Batch_co = TypeVar("Batch_co", covariant=True)


@runtime_checkable
class Settings(Protocol):
    """Settings of a run that concern the optimizer."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def ema(self) -> float: ...  # noqa: D102


@dataclass
class Student:
    """What a run changes.

    Attributes:
        network: Network that is kept.
        config: Settings of the run.
        warm_up: Steps in which the learning rate rises.
        heads: Modules that are only needed for training, by name.
        average: Running average of the network's weights.
        optimizer: AdamW of the network and the heads.
    """

    network: nn.Module
    config: Settings
    warm_up: int
    heads: Mapping[str, nn.Module] = field(default_factory=dict)

    def __post_init__(self):
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(0.0), use_buffers=True
        )
        learning = [self.network, *self.heads.values()]
        self.optimizer = torch.optim.AdamW(
            [weight for module in learning for weight in module.parameters()],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def move(self, loss: Tensor, step: int) -> None:
        """Take an optimizer step and update the average.

        Args:
            loss: Loss of the step.
            step: Number of the step, from 0. The learning rate rises, then falls to 0 along a half
                cosine.
        """
        half = 0.5 * (1 + math.cos(math.pi * step / self.config.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (half * min(1, (step + 1) / self.warm_up))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # Short at first, so that the random start is soon forgotten.
        decay = min(self.config.ema, (1 + step) / (10 + step))
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self.average.update_parameters(self.network)

    def state(self) -> dict[str, Any]:
        """Return everything needed to resume."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "average": self.average, "optimizer": self.optimizer}
        return {**parts, **self.heads}


@runtime_checkable
class _Batches(Protocol[Batch_co]):
    def __getitem__(self, step: int, /) -> Batch_co: ...


class Ahead(Generic[Batch_co]):
    """Batches of consecutive steps; a thread makes the next one while the network learns."""

    def __init__(self, batches: _Batches[Batch_co], helper: ThreadPoolExecutor):
        self._batches, self._helper = batches, helper
        self._next: Future[Batch_co] | None = None

    def __getitem__(self, step: int) -> Batch_co:
        if self._next is None:
            self._next = self._helper.submit(self._batches.__getitem__, step)
        batch = self._next.result()
        self._next = self._helper.submit(self._batches.__getitem__, step + 1)
        return batch


def read_average(run: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the averaged weights of a run, and its last checkpoint."""
    saved = checkpoints(run)
    if not saved:
        raise InputError(f"{run} has no checkpoint.")
    state = torch.load(saved[-1], weights_only=True)
    weights = {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name.startswith("module.")
    }
    return weights, state


def show(progress: Progress) -> None:
    """Print the progress of a run."""
    speed = progress.samples_per_second
    print(f"{progress.step} loss {progress.terms['loss']:.4f} {speed:.1f}/s", flush=True)
