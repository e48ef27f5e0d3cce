"""A queue of one, for clients that send faster than they are served."""

import asyncio
from typing import Any


class Latest:
    """A queue of one: a new element replaces one that was not taken yet."""

    def __init__(self) -> None:
        """Start empty."""
        self._element: Any = None
        self._filled = asyncio.Event()

    def put(self, element: Any) -> None:
        """Put an element, dropping the one before."""
        self._element = element
        self._filled.set()

    async def take(self) -> Any:
        """Wait for an element and remove it."""
        await self._filled.wait()
        self._filled.clear()
        element, self._element = self._element, None
        return element
