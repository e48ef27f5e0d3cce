"""Timing with median and spread, and peak memory."""

import gc
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

import torch
from torch.profiler import ProfilerActivity, profile

Run = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """A measured quantity, over repetitions.

    Attributes:
        median: Median.
        low: Lower quartile.
        high: Upper quartile.
        repetitions: Number of repetitions.
        p95: 95th percentile; of a speed the 5th, which 19 of 20 repetitions reach.
    """

    median: float
    low: float
    high: float
    repetitions: int
    p95: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """Summarize repeated measurements."""
        if len(values) == 1:
            return Spread(values[0], values[0], values[0], 1, values[0])
        twentieths = quantiles(values, n=20, method="inclusive")
        low, middle, high, most = (twentieths[place] for place in (4, 9, 14, 18))
        return Spread(middle, low, high, len(values), most)

    def times(self, factor: float) -> "Spread":
        """Return the quantity in another unit."""
        median, low, high, p95 = (
            value * factor for value in (self.median, self.low, self.high, self.p95)
        )
        return Spread(median, low, high, self.repetitions, p95)

    def rate(self, amount: float) -> "Spread":
        """Return the speed at which an amount is processed in these times."""
        median, low, high, p95 = (
            amount / value for value in (self.median, self.high, self.low, self.p95)
        )
        return Spread(median, low, high, self.repetitions, p95)


def alternate(
    runs: Sequence[Run], device: str, seconds: float, least: int = 3
) -> list[list[float]]:
    """Time functions in turn.

    Args:
        runs: Functions to time; each has run before, so that nothing is set up while timing.
        device: Device on which they compute.
        seconds: Time to spend on repetitions.
        least: Number of repetitions to make even if they take longer.

    Returns:
        For every function, seconds of each repetition.
    """
    times: list[list[float]] = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while len(times[0]) < least or time.perf_counter() < end:
        for run, of_run in zip(runs, times, strict=True):
            of_run.append(seconds_of(run, device))
    return times


def time_run(run: Run, device: str, seconds: float, least: int = 3) -> Spread:
    """Time one function after a run to warm up; see `alternate`."""
    run()
    (times,) = alternate([run], device, seconds, least)
    return Spread.of(times)


@contextmanager
def use_threads(count: int | None) -> Generator[None]:
    """Compute with so many threads; None for as many as the process uses."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds_of(run: Run, device: str) -> float:
    """Return how long one run takes; a GPU's queue is empty before and after."""
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak_memory(run: Run, device: str) -> int:
    """Return the peak tensor memory of a function in bytes, beyond what was allocated before.

    On a CPU, it is the running sum of all allocations that torch's profiler records, so that memory
    cached by the allocator does not count.
    """
    gc.collect()
    if torch.device(device).type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    # Otherwise, the profiler logs its start and stop to standard error.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    held = peak = 0
    assert seen.profiler is not None
    assert seen.profiler.kineto_results is not None
    events = [
        event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
