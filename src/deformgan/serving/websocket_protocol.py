"""WebSocket connections that hold back a client which sends faster than it is read."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from deformgan.serving.deadlines import ReaderWatch
from deformgan.serving.http_protocol import GuardedConfig

# All messages of a piece are queued at once, a few hundred of the smallest.
_PIECE_BYTES = 4 << 10
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket: counted, read a piece at a time, cut if its client does not read."""

    def __init__(self, config: GuardedConfig, *rest: Any, **more: Any):
        """Take what uvicorn gives to protocols."""
        super().__init__(config, *rest, **more)
        self._all = config.connections
        self._limits = config.limits
        self._held = b""  # received, not parsed yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the WebSocket, or refuse it if there are too many."""
        transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)
        self._reader = ReaderWatch(transport, self._limits)
        if not self._all.upgrade(transport):
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the WebSocket."""
        self._reader.end()
        self._held = b""
        self._all.remove(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent, up to the first piece with a message."""
        self._held += data
        self._parse()

    def _parse(self) -> None:
        held, start = self._held, 0
        while start < len(held) and not self.read_paused and not self.transport.is_closing():
            super().data_received(held[start : start + _PIECE_BYTES])
            start += _PIECE_BYTES
        self._held = held[start:]
        if self._held and self.read_paused:
            self.transport.pause_reading()

    async def receive(self) -> Any:
        """Return the next message, and parse more when all were taken."""
        message = await super().receive()
        if self._held and self.queue.empty():
            self._parse()
        return message

    def pause_writing(self) -> None:
        """Watch a client that does not read."""
        super().pause_writing()
        self._reader.begin()
