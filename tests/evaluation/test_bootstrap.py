"""Percentile bootstrap intervals."""

import numpy as np
import pytest
import scipy.stats
import torch

from deformgan.evaluation.bootstrap import bootstrap_interval, paired_difference


def test_agrees_with_scipy():
    values = torch.rand(60, dtype=torch.float64) ** 2
    low, high = bootstrap_interval(values)
    theirs = scipy.stats.bootstrap(
        (values.numpy(),), np.mean, n_resamples=10_000, method="percentile", rng=1
    ).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.004)
    assert high == pytest.approx(theirs.high, abs=0.004)
    assert low < values.mean().item() < high


def test_covers_the_true_mean_about_as_often_as_it_says():
    hits = 0
    for draw in range(200):
        values = torch.from_numpy(np.random.default_rng(draw).exponential(size=80))
        low, high = bootstrap_interval(values, resamples=400)
        hits += low <= 1 <= high
    assert 0.88 <= hits / 200 <= 0.98


def test_the_same_seed_gives_the_same_interval_and_another_seed_another_one():
    values = torch.rand(30)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_chunks_do_not_change_the_interval(monkeypatch):
    values = torch.rand(30)
    whole = bootstrap_interval(values, resamples=500)
    monkeypatch.setattr("deformgan.evaluation.bootstrap._CHUNK", 30 * 7)
    assert bootstrap_interval(values, resamples=500) == whole


def test_equal_values_have_an_interval_without_width():
    assert bootstrap_interval(torch.full((9,), 0.25), resamples=50) == (0.25, 0.25)


def test_a_small_steady_gain_shows_in_the_paired_difference_only():
    hard = torch.rand(100, dtype=torch.float64)
    better = hard + 0.01 + 0.002 * torch.randn(100, dtype=torch.float64)
    difference, low, high = paired_difference(better, hard)
    assert difference == pytest.approx((better - hard).mean().item())
    assert 0 < low < difference < high
    assert bootstrap_interval(better)[0] < bootstrap_interval(hard)[1]


def test_refuses_an_empty_list():
    with pytest.raises(ValueError, match="none"):
        bootstrap_interval(torch.zeros(0))
