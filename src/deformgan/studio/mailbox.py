"""Mailbox: the waiting requests of one client. Of poses only the latest waits."""

import asyncio
from collections import deque

from deformgan.studio.protocol import MessageError, Move, Request

Payload = bytes | memoryview

MOST_WAITING = 4  # the page sends the next one only after a reply


class Mailbox:
    """Requests in order. A new pose takes the place of the one that waits: latest wins."""

    def __init__(self):
        self._waiting: deque[tuple[Request, Payload]] = deque()
        self._some = asyncio.Event()

    def put(self, request: Request, payload: Payload) -> Request | None:
        """Add a request, and return the one that it replaces.

        Raises:
            MessageError: If too many wait.
        """
        replaced = None
        if isinstance(request, Move) and self._waiting:
            last, _ = self._waiting[-1]
            if isinstance(last, Move):
                replaced, _ = self._waiting.pop()
        if len(self._waiting) >= MOST_WAITING:
            raise MessageError("too many requests wait")
        self._waiting.append((request, payload))
        self._some.set()
        return replaced

    async def get(self) -> tuple[Request, Payload]:
        """Return the oldest request, once there is one."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()
