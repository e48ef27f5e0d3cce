"""Limit how often a client may do something."""

import threading
import time
from collections.abc import Callable

_MOST_CLIENTS = 10_000


class RateLimit:
    """A bucket of tokens per client, which fills again over time; safe between threads."""

    def __init__(self, count: int, seconds: float, clock: Callable[[], float] = time.monotonic):
        """Fill all buckets.

        Args:
            count: Tokens in a full bucket.
            seconds: Time in which an empty one is filled.
            clock: Time in seconds.
        """
        self._count = count
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, and when

    def take(self, client: str) -> bool:
        """Take a token, and return False if there is none."""
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(client, (float(self._count), now))
            left = min(self._count, left + (now - since) * self._count / self._seconds)
            if len(self._buckets) >= _MOST_CLIENTS:
                self._buckets.pop(next(iter(self._buckets)))  # least recently seen
            self._buckets[client] = (left - 1 if left >= 1 else left, now)
            return left >= 1
