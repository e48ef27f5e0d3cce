"""Fabric: the device and the processes of a run."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Fabric:
    """One process of a run, alone or with others that `torchrun` started.

    Attributes:
        device: Device of this process.
        global_rank: Number of this process among all, from 0.
        world_size: Number of processes.
    """

    device: torch.device
    global_rank: int = 0
    world_size: int = 1

    @property
    def is_global_zero(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.global_rank == 0

    def share(self, network: nn.Module, some_unused: bool = False) -> nn.Module:
        """Return a network on this device that averages gradients over all processes.

        Args:
            network: The network.
            some_unused: Whether a step may leave weights without a gradient. Processes then search
                for them at every step.
        """
        network = network.to(self.device)
        if self.world_size == 1 or not any(p.requires_grad for p in network.parameters()):
            return network
        return DistributedDataParallel(
            network,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=some_unused,
        )

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world_size > 1:
            dist.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over all processes."""
        if self.world_size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.world_size
