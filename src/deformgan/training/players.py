"""Players: generator and discriminator, what moves them, and the average that is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deformgan.errors import InputError
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.launch import uses_bfloat16

Tensors = tuple[Tensor, ...] | list[Tensor]

_FIRST = "target_encoder.0.weight"  # what a background widens
# What only some generators of one shape have.
_ADDED = ("field.", "look.", "detail.", "learned_affine.", "refinement.")


@dataclass(frozen=True)
class Player:
    """A network that is trained.

    Attributes:
        network: Its weights and configuration.
        shared: The same network to be called where it is to learn: its gradients are averaged over
            the run's processes.
        optimizer: Moves it.
    """

    network: nn.Module
    shared: nn.Module
    optimizer: torch.optim.Optimizer

    @staticmethod
    def create(network: nn.Module, fabric: Fabric, config: TrainConfig) -> "Player":
        """Hands a new network over to the run's devices."""
        # Tensor cores and a CPU's matrix units want channels last; float32 does not care.
        fast = fabric.device.type == "cuda" or uses_bfloat16(config, fabric.device)
        layout = torch.channels_last if fast else torch.contiguous_format
        network = network.to(fabric.device).to(memory_format=layout)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, betas=config.betas
        )
        if config.compile:
            network.compile()
        return Player(network, fabric.share(network), optimizer)

    def move(self, loss: Tensor, gradient_clip: float) -> Tensor | None:
        """Goes one step down a loss.

        Returns:
            The gradient's norm before it was clipped; None where nothing is clipped.
        """
        self.optimizer.zero_grad()
        loss.backward()
        norm = None
        if gradient_clip:
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip)
        self.optimizer.step()
        return norm


@dataclass(frozen=True)
class Players:
    """Both networks of the game.

    Attributes:
        generator: Paints.
        discriminator: Judges.
        average: Running average of the generator's weights.
    """

    generator: Player
    discriminator: Player
    average: AveragedModel

    @staticmethod
    def create(config: TrainConfig, fabric: Fabric) -> "Players":
        """Draws new networks from the run's seed."""
        torch.manual_seed(config.seed)
        networks = Generator(config.generator), Discriminator(config.discriminator)
        _let_learn(networks[0], config.learns)
        generator, discriminator = (Player.create(network, fabric, config) for network in networks)
        average = AveragedModel(generator.network, multi_avg_fn=_warmed_up(config.ema_decay))
        # Its counter is read at every step, which must not wait for the GPU.
        average.n_averaged = average.n_averaged.cpu()
        return Players(generator, discriminator, average)

    def result(self, config: TrainConfig) -> Generator:
        """Gives the generator that a run keeps: the average, or the last weights without one."""
        module = self.average.module if config.ema_decay else self.generator.network
        assert isinstance(module, Generator)
        return module

    @torch.no_grad()
    def start_from(self, generator: Generator) -> None:
        """Takes over a generator's weights, also into the average.

        A generator that had no background becomes one that has, and paints as it did: the weights
        on the background begin at zero. What only one of both has (layers, a learned affine) is
        left as it was drawn, or left out.
        """
        for network in (self.generator.network, self.average.module):
            network.load_state_dict(weights_to_take(generator, network), strict=False)

    def set_learning_rate(self, rate: float) -> None:
        """Lets both players go on at another pace."""
        for player in (self.generator, self.discriminator):
            for group in player.optimizer.param_groups:
                group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """Gives everything that going on needs."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes everything back to where `state` was given."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator.network,
            "discriminator": self.discriminator.network,
            "generator_optimizer": self.generator.optimizer,
            "discriminator_optimizer": self.discriminator.optimizer,
            "average": self.average,
        }


def weights_to_take(generator: Generator, network: nn.Module) -> dict[str, Tensor]:
    """Choose the weights that a network can start from.

    Args:
        generator: Has them.
        network: Of the same shape, but for a background and for what only some generators have.

    Raises:
        InputError: If it is of another shape.
    """
    state, wanted = generator.state_dict(), network.state_dict()
    first, second = state.get(_FIRST), wanted.get(_FIRST)
    if first is not None and second is not None and first.shape[1] + 3 == second.shape[1]:
        state[_FIRST] = F.pad(first, (0, 0, 0, 0, 0, 3))
    for name in state.keys() | wanted.keys():
        if name in state and name in wanted:
            alike = state[name].shape == wanted[name].shape
        else:
            alike = name.startswith(_ADDED)
        if not alike:
            raise InputError("These weights are of a generator of another shape.")
    return {name: state[name] for name in wanted if name in state}


def _let_learn(generator: Generator, learns: Sequence[str]) -> None:
    if not learns:
        return
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(learns)))
    for beginning in learns:
        if not any(name.startswith(beginning) for name, _ in generator.named_parameters()):
            raise InputError(f"learns has {beginning!r}, with which no weight's name begins.")


def _warmed_up(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Averages over fewer steps at first, so that the weights of the start are soon forgotten."""

    def update(averages: Tensors, weights: Tensors, done: Tensor | int) -> None:
        current = min(decay, (1 + int(done)) / (10 + int(done)))
        get_ema_multi_avg_fn(current)(averages, weights, done)

    return update
