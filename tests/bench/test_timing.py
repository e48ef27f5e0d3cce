"""Medians, quartiles and peak memory."""

import pytest
import torch

from deformgan.bench import timing


def test_peak_memory_counts_the_tensors_held_at_once():
    def three_then_two():
        held = [torch.empty(1000, dtype=torch.uint8) for _ in range(3)]
        held.pop()
        torch.empty(400, dtype=torch.uint8)

    assert timing.peak_memory(three_then_two, "cpu") == 3000


def test_times_are_medians_and_quartiles_of_at_least_so_many_repetitions(clock):
    lengths = iter([100.0, 5.0, 1.0, 2.0, 3.0, 4.0])  # the first is the warm-up
    found = timing.time_run(lambda: clock(next(lengths)), "cpu", 0.0, least=5)
    assert (found.median, found.low, found.high, found.repetitions) == (3.0, 2.0, 4.0, 5)
    assert found.p95 == pytest.approx(4.8)
    assert found.times(1000.0).high == 4000.0
    assert found.rate(12.0) == timing.Spread(4.0, 3.0, 6.0, 5, 12.0 / found.p95)
    assert timing.Spread.of([7.0]) == timing.Spread(7.0, 7.0, 7.0, 1, 7.0)
