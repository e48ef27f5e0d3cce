"""Where batches take their images from: a set held on the device, or rows that travel to it."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

Storage = Literal["auto", "device", "host"]

_BUFFERS = 3  # one that is filled, one that travels, one that waits


@runtime_checkable
class ImageStore(Protocol):
    """Several sets of images of one size."""

    def gather(
        self, step: int, rows: Sequence[Int64[Tensor, "_"]]
    ) -> UInt8[Tensor, "batch 3 height width"]:
        """Gives chosen images of every set, one set after the other, on the device.

        The result holds until the call after next.

        Args:
            step: Whose images these are.
            rows: Of every set, on the host.
        """
        ...

    def prepare(self, step: int, rows: Sequence[Int64[Tensor, "_"]]) -> None:
        """Is told what the next call will ask for."""
        ...


def open_store(
    images: Sequence[UInt8[Tensor, "_ 3 height width"]],
    device: torch.device,
    storage: Storage = "auto",
) -> ImageStore:
    """Decides where images stay.

    Args:
        images: The sets.
        device: Where they are needed.
        storage: "device" keeps them there; "host" leaves them where they are (in a mapped file, for
            instance) and sends what is asked for; "auto" keeps them on the device if they fill at
            most half of what is free there.
    """
    if storage == "auto":
        storage = "device"
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            storage = "device" if sum(part.nbytes for part in images) <= free / 2 else "host"
    return DeviceStore(images, device) if storage == "device" else HostStore(images, device)


class DeviceStore:
    """Keeps all images on the device."""

    def __init__(self, images: Sequence[UInt8[Tensor, "_ 3 height width"]], device: torch.device):
        self.images = [part.to(device) for part in images]
        self.device = device

    def gather(
        self, step: int, rows: Sequence[Int64[Tensor, "_"]]
    ) -> UInt8[Tensor, "batch 3 height width"]:
        """See `ImageStore`."""
        chosen = [
            part[of_part.to(self.device)] for part, of_part in zip(self.images, rows, strict=True)
        ]
        return torch.cat(chosen)

    def prepare(self, step: int, rows: Sequence[Int64[Tensor, "_"]]) -> None:
        """Has nothing to prepare."""


class HostStore:
    """Leaves images on the host; a thread collects the next step's while the device computes.

    They travel by way of page-locked memory, so that nothing waits for the copy.
    """

    def __init__(self, images: Sequence[UInt8[Tensor, "_ 3 height width"]], device: torch.device):
        self.images = list(images)
        self.device = device
        self.buffers: list[Tensor | None] = [None] * _BUFFERS
        self.sent: list[torch.cuda.Event | None] = [None] * _BUFFERS
        self.turn = 0
        self.prepared: tuple[int, Future[int]] | None = None
        self.thread = ThreadPoolExecutor(1)

    def gather(
        self, step: int, rows: Sequence[Int64[Tensor, "_"]]
    ) -> UInt8[Tensor, "batch 3 height width"]:
        """See `ImageStore`."""
        expected, future = self.prepared or (None, None)
        self.prepared = None
        if future is None or expected != step:
            future = self.thread.submit(self._collect, rows)
        turn = future.result()
        collected = self.buffers[turn]
        assert collected is not None
        images = collected.to(self.device, non_blocking=True)
        if self.device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
            self.sent[turn] = event
        return images

    def prepare(self, step: int, rows: Sequence[Int64[Tensor, "_"]]) -> None:
        """See `ImageStore`."""
        self.prepared = step, self.thread.submit(self._collect, rows)

    def _collect(self, rows: Sequence[Int64[Tensor, "_"]]) -> int:
        """Fills the next buffer and tells which it is."""
        self.turn = (self.turn + 1) % _BUFFERS
        sent = self.sent[self.turn]
        if sent is not None:
            sent.synchronize()  # what lay in the buffer may still be on its way
        counts = [len(of_part) for of_part in rows]
        shape = (sum(counts), *self.images[0].shape[1:])
        buffer = self.buffers[self.turn]
        if buffer is None or buffer.shape != shape:
            pinned = self.device.type == "cuda"
            buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
            self.buffers[self.turn] = buffer
        parts = zip(self.images, rows, buffer.split(counts), strict=True)
        for part, of_part, collected in parts:
            torch.index_select(part, 0, of_part, out=collected)
        return self.turn
