"""progress: a bar on stderr while a command works."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_WIDTH = 30
_REDRAW = 0.1  # seconds


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Passes items on and draws how many there were; draws nothing where stderr is no terminal.

    Args:
        items: What is worked on.
        what: What they are, for the bar.
        total: How many there will be; by default the length of `items`.

    Yields:
        The items.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    total = len(items) if total is None else total  # ty: ignore[invalid-argument-type]
    drawn = -_REDRAW
    try:
        for done, item in enumerate(items):
            if time.monotonic() - drawn > _REDRAW:
                drawn = time.monotonic()
                bar = "#" * (_WIDTH * done // max(total, 1))
                print(f"\r{what} [{bar:{_WIDTH}}] {done}/{total} ", end="", file=sys.stderr)
            yield item
    finally:
        # The bar is gone when it is over or when an error takes its line.
        print(f"\r{' ' * (_WIDTH + len(what) + 30)}\r", end="", file=sys.stderr, flush=True)
