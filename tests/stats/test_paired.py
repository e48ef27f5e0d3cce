"""Paired differences of images, and Student's t for paired runs, against SciPy."""

import math

import pytest
import torch
from scipy import stats

from deformgan.stats.bootstrap import bootstrap_interval
from deformgan.stats.paired import paired_difference, paired_t, student_quantile, student_tails


def test_a_small_steady_gain_shows_in_the_paired_difference_only():
    hard = torch.rand(100, dtype=torch.float64)
    better = hard + 0.01 + 0.002 * torch.randn(100, dtype=torch.float64)
    difference, low, high = paired_difference(better, hard)
    assert difference == pytest.approx((better - hard).mean().item())
    assert 0 < low < difference < high
    assert bootstrap_interval(better)[0] < bootstrap_interval(hard)[1]


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 29])
def test_tails_and_quantiles_are_scipys(freedom):
    for t in (0.0, 0.3, -1.0, 2.5, 7.0):
        assert student_tails(t, freedom) == pytest.approx(
            2 * stats.t.sf(abs(t), freedom), abs=1e-12
        )
    for confidence in (0.5, 0.95, 0.999):
        expected = stats.t.ppf((1 + confidence) / 2, freedom)
        assert student_quantile(confidence, freedom) == pytest.approx(expected)


def test_interval_and_p_are_those_of_the_paired_test():
    first, second = [0.31, 0.35, 0.33, 0.36], [0.30, 0.32, 0.33, 0.31]
    found = paired_t([a - b for a, b in zip(first, second, strict=True)])
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_one_run_says_nothing_about_others():
    found = paired_t([0.02])
    assert (found.mean, found.p) == (0.02, 1.0)
    assert math.isinf(found.low)
    assert math.isinf(found.high)


def test_differences_without_spread_are_no_sign_of_certainty():
    for same in (0.01, 0.0):
        found = paired_t([same, same])
        assert (found.mean, found.p) == (same, 1.0)
        assert math.isinf(found.high)


def test_nothing_to_average_is_refused():
    with pytest.raises(ValueError, match="got none"):
        paired_t([])
