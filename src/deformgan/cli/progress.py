"""progress: a progress bar on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_WIDTH = 30
_REDRAW = 0.1  # seconds


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over items and draw a progress bar if stderr is a terminal.

    Args:
        items: Items to iterate over.
        what: Label of the bar.
        total: Number of items, 0 if unknown; by default the length of `items`.

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
                count = f"{done}/{total}" if total else f"{done}"
                bar = "#" * (_WIDTH * done // total if total else 0)
                print(f"\r{what} [{bar:{_WIDTH}}] {count} ", end="", file=sys.stderr)
            yield item
    finally:
        # Erase the bar, so that what is printed next, such as an error, has the line to itself.
        print(f"\r{' ' * (_WIDTH + len(what) + 30)}\r", end="", file=sys.stderr, flush=True)
