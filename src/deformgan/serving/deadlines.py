"""Close connections whose client makes no progress."""

import asyncio

from deformgan.serving.limits import Limits


class Deadline:
    """A time limit that can be moved or dropped; when it passes, the connection is cut."""

    def __init__(self, transport: asyncio.Transport):
        """Set no limit yet."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit at the moment."""
        return self._timer is not None

    def set(self, seconds: float) -> None:
        """Limit the time from now, in place of an earlier limit."""
        self.drop()
        self._timer = self._loop.call_later(max(seconds, 0.0), self._transport.abort)

    def drop(self) -> None:
        """Remove the limit."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ReaderWatch:
    """Cut a connection whose client does not read what was sent.

    A large response may take its time, so only the rate is limited.
    """

    def __init__(self, transport: asyncio.Transport, limits: Limits):
        """Watch nothing yet."""
        self._transport = transport
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch until everything was sent; a second call does nothing."""
        if self._timer is None and (left := self._transport.get_write_buffer_size()):
            self._timer = self._loop.call_later(self._limits.silent_seconds, self._check, left)

    def end(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, before: int) -> None:
        self._timer = None
        left = self._transport.get_write_buffer_size()
        slowest = self._limits.bytes_per_second * self._limits.silent_seconds
        if left and before - left < min(slowest, before):
            self._transport.abort()
        else:
            self.begin()
