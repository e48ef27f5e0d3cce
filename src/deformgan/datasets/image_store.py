"""Storage of batch images: all on the device, or on the host with transfers per batch."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

Storage = Literal["auto", "device", "host"]

_BUFFERS = 3  # one being filled, one in transfer, one waiting


@runtime_checkable
class ImageStore(Protocol):
    """Several sets of images of one size."""

    def gather(
        self, step: int, rows: Sequence[Int64[Tensor, "_"]]
    ) -> UInt8[Tensor, "batch 3 height width"]:
        """Return the selected images of every set, concatenated, on the device.

        The result is valid until the call after next.

        Args:
            step: Step to which the images belong.
            rows: Row indices per set, on the host.
        """
        ...

    def prepare(self, step: int, rows: Sequence[Int64[Tensor, "_"]]) -> None:
        """Announce the arguments of the next `gather` call."""
        ...


def open_store(
    images: Sequence[UInt8[Tensor, "_ 3 height width"]],
    device: torch.device,
    storage: Storage = "auto",
) -> ImageStore:
    """Choose where to keep images.

    Args:
        images: The sets.
        device: Device of the batches.
        storage: "device" keeps images there; "host" leaves them in place (for example in a mapped
            file) and transfers each batch; "auto" chooses the device if the images fill at most
            half of its free memory.
    """
    if storage == "auto":
        storage = "device"
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            storage = "device" if sum(part.nbytes for part in images) <= free / 2 else "host"
    return DeviceStore(images, device) if storage == "device" else HostStore(images, device)


class DeviceStore:
    """Image store that keeps all images on the device."""

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
        """Do nothing; images are already on the device."""


class HostStore:
    """Image store on the host; a thread gathers the next step while the device computes.

    Batches are copied through page-locked memory, so the copy does not block.
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
        """Fill the next buffer and return its index."""
        self.turn = (self.turn + 1) % _BUFFERS
        sent = self.sent[self.turn]
        if sent is not None:
            sent.synchronize()  # the buffer's previous contents may still be in transfer
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
