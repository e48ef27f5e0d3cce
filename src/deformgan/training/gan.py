"""Gan: generator and discriminator with their optimizers, and the averaged generator."""

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

_FIRST = "target_encoder.0.weight"  # gains input channels with a background
# Name prefixes of weights that only some generators of the same shape have.
_ADDED = ("field.", "look.", "detail.", "learned_affine.", "refinement.")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in training.

    Attributes:
        network: The network itself.
        shared: The wrapped network for the forward pass in training, whose gradients are averaged
            over the run's processes.
        optimizer: Optimizer of the network.
    """

    network: nn.Module
    shared: nn.Module
    optimizer: torch.optim.Optimizer

    @staticmethod
    def create(network: nn.Module, fabric: Fabric, config: TrainConfig) -> "TrainedNetwork":
        """Set up a new network on the run's device and processes."""
        # Tensor cores and a CPU's matrix units prefer channels last; for float32 it is neutral.
        fast = fabric.device.type == "cuda" or uses_bfloat16(config, fabric.device)
        layout = torch.channels_last if fast else torch.contiguous_format
        network = network.to(fabric.device).to(memory_format=layout)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=config.learning_rate, betas=config.betas
        )
        if config.compile:
            network.compile()
        return TrainedNetwork(network, fabric.share(network, config.some_unused), optimizer)

    def optimize(self, loss: Tensor, gradient_clip: float) -> Tensor | None:
        """Take an optimizer step on a loss.

        Returns:
            The gradient norm before clipping; None without clipping.
        """
        self.optimizer.zero_grad()
        loss.backward()
        norm = None
        if gradient_clip:
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip)
        self.optimizer.step()
        return norm


@dataclass(frozen=True)
class Gan:
    """Both networks in training.

    Attributes:
        generator: Generator with its optimizer.
        discriminator: Discriminator with its optimizer.
        average: Running average of the generator's weights.
    """

    generator: TrainedNetwork
    discriminator: TrainedNetwork
    average: AveragedModel

    @staticmethod
    def create(config: TrainConfig, fabric: Fabric) -> "Gan":
        """Create both networks, initialized from the run's seed."""
        torch.manual_seed(config.seed)
        networks = Generator(config.generator), Discriminator(config.discriminator)
        _let_learn(networks[0], config.trainable)
        generator, discriminator = (
            TrainedNetwork.create(network, fabric, config) for network in networks
        )
        average = AveragedModel(generator.network, multi_avg_fn=_warmed_up(config.ema_decay))
        # The counter is read at every step; on the CPU that does not wait for the GPU.
        average.n_averaged = average.n_averaged.cpu()
        return Gan(generator, discriminator, average)

    def result(self, config: TrainConfig) -> Generator:
        """Return the generator to save: the average, or the last weights without one."""
        module = self.average.module if config.ema_decay else self.generator.network
        assert isinstance(module, Generator)
        return module

    @torch.no_grad()
    def start_from(self, generator: Generator) -> None:
        """Initialize generator and average from another generator's weights.

        A background input is added if the other generator has none; its weights start at zero, so
        the output is unchanged. Weights that only one of both has (layers, a learned affine) keep
        their initialization, or are ignored.
        """
        for network in (self.generator.network, self.average.module):
            network.load_state_dict(weights_to_take(generator, network), strict=False)

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of both optimizers."""
        for network in (self.generator, self.discriminator):
            for group in network.optimizer.param_groups:
                group["lr"] = rate

    def state(self) -> dict[str, Any]:
        """Return the complete state for resuming."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a state returned by `state`."""
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
    """Select the weights of a generator that another network can start from.

    Args:
        generator: Source of the weights.
        network: Must have the same shape, except for a background input and weights that only some
            generators have.

    Raises:
        InputError: If it has another shape.
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


def _let_learn(generator: Generator, trainable: Sequence[str]) -> None:
    if not trainable:
        return
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(trainable)))
    for beginning in trainable:
        if not any(name.startswith(beginning) for name, _ in generator.named_parameters()):
            raise InputError(f"trainable has {beginning!r}, but no weight's name begins with it.")


def _warmed_up(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return an average with a shorter window at first, to forget the initial weights."""

    def update(averages: Tensors, weights: Tensors, done: Tensor | int) -> None:
        current = min(decay, (1 + int(done)) / (10 + int(done)))
        get_ema_multi_avg_fn(current)(averages, weights, done)

    return update
