"""HTTP connections with time limits, which uvicorn lacks before a request is complete."""

import asyncio
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from deformgan.serving.connections import Connections
from deformgan.serving.deadlines import Deadline, ReaderWatch
from deformgan.serving.limits import MEBIBYTE, Limits

# h11 parses all that it is given before anything else runs: of tiny chunks, for a second. So it is
# given little until the head of the request is known.
_HEAD_PIECE_BYTES, _BODY_PIECE_BYTES = 1 << 10, 64 << 10
# After an early answer, what is still sent is thrown away for a moment, so that the client gets to
# read the answer; a connection closed at once would lose it.
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 8 * MEBIBYTE


class GuardedConfig(Config):
    """uvicorn's configuration, with limits and the connections that share them."""

    def __init__(self, app: Any, limits: Limits, **settings: Any):
        """Take uvicorn's other settings as they are."""
        self.limits = limits
        self.connections = Connections(limits)
        super().__init__(app, **settings)


class GuardedHttp(H11Protocol):
    """One connection: its client must send a request in time and read the response."""

    def __init__(self, config: GuardedConfig, *rest: Any, **more: Any):
        """Take what uvicorn gives to protocols."""
        super().__init__(config, *rest, **more)
        self._limits = config.limits
        self._all = config.connections
        self._thrown_away: int | None = None  # bytes after an early answer
        self._body_since, self._body_bytes = 0.0, 0
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or close it if there are too many."""
        transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)
        self._deadline = Deadline(transport)
        self._reader = ReaderWatch(transport, self._limits)
        if self._all.admit(transport):
            self._deadline.set(self._limits.head_seconds)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._deadline.drop()
        self._reader.end()
        self._all.remove(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent, a piece at a time."""
        start = 0
        while start < len(data):
            if self._upgraded or self.transport.is_closing():
                return
            if self._thrown_away is not None:
                self._throw_away(len(data) - start)
                return
            in_body = self.conn.their_state is h11.SEND_BODY
            piece = data[start : start + (_BODY_PIECE_BYTES if in_body else _HEAD_PIECE_BYTES)]
            start += len(piece)
            if in_body:
                self._body_bytes += len(piece)
            super().data_received(piece)
            if self.conn.their_state is h11.SEND_BODY and is_chunked(self.headers):
                self._thrown_away = 0  # the guard answers that a length is required
        self._follow()

    def _throw_away(self, count: int) -> None:
        self._thrown_away = (self._thrown_away or 0) + count
        if self._thrown_away > _LINGER_BYTES:
            self.transport.abort()

    def _follow(self) -> None:
        """Set the time limit for what the client has to do next."""
        if self._upgraded or self.transport.is_closing() or self._thrown_away is not None:
            return
        if self.conn.their_state is h11.IDLE:
            # From the first byte on: a byte now and then does not prolong it.
            if not self._deadline.is_set:
                self._deadline.set(self._limits.head_seconds)
            self._body_since = 0.0
            self._all.wait(self.transport)
        elif self.conn.their_state is h11.SEND_BODY:
            now = self.loop.time()
            if not self._body_since:
                self._body_since, self._body_bytes = now, 0
            slowest = self._body_since + self._body_bytes / self._limits.bytes_per_second - now
            self._deadline.set(min(0.0, slowest) + self._limits.silent_seconds)
            self._all.wait(self.transport)
        else:
            self._deadline.drop()
            self._body_since = 0.0
            self._all.work(self.transport)

    def on_response_complete(self) -> None:
        """Wait for the next request, or throw away the rest of this one."""
        answered_early = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        self._reader.begin()
        if self.transport.is_closing():
            return
        if answered_early:
            self._thrown_away = self._thrown_away or 0
            self._unset_keepalive_if_required()
            self.transport.write_eof()
            self.transport.resume_reading()
            self._deadline.set(_LINGER_SECONDS)
        elif self.conn.their_state is not h11.IDLE:
            self._follow()  # the next request was here already
        self._all.wait(self.transport)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the WebSocket."""
        self._deadline.drop()
        self._reader.end()
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """Watch a client that does not read."""
        super().pause_writing()
        self._reader.begin()


def is_chunked(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request has a body of unknown length."""
    return any(name == b"transfer-encoding" for name, _ in headers or ())
