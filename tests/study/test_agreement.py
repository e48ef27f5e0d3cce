"""Intervals, the sign test and agreement, against scipy, loops and a published example."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest

from deformgan.study.agreement import krippendorff_alpha, sign_test, wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 45), (17, 45), (45, 45)])
def test_wilson_s_interval_is_scipy_s(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (5, 10), (9, 10), (70, 100), (0, 12)])
def test_the_sign_test_is_scipy_s(successes, trials):
    assert sign_test(successes, trials) == pytest.approx(binomtest(successes, trials).pvalue)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(successes, trials):
    with pytest.raises(ValueError, match="between 0 and trials"):
        wilson_interval(successes, trials)


def test_alpha_is_that_of_krippendorff_s_own_example():
    # "Computing Krippendorff's Alpha-Reliability", 2011: nominal data of 4 observers, 12 units.
    observers = [
        ["1", "2", "3", "3", "2", "1", "4", "1", "2", None, None, None],
        ["1", "2", "3", "3", "2", "2", "4", "1", "2", "5", None, "3"],
        [None, "3", "3", "3", "2", "3", "4", "2", "2", "5", "1", None],
        ["1", "2", "3", "3", "2", "4", "4", "1", "2", "5", "1", None],
    ]
    units = [[one for one in column if one is not None] for column in zip(*observers, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def alpha_by_pairs(units):
    """One minus observed over expected disagreement, pair of answers by pair of answers."""
    units = [unit for unit in units if len(unit) > 1]
    everything = [one for unit in units for one in unit]
    observed = sum(
        2 * sum(a != b for a, b in combinations(unit, 2)) / (len(unit) - 1) for unit in units
    ) / len(everything)
    pairs = list(combinations(everything, 2))
    return 1 - observed / (sum(a != b for a, b in pairs) / len(pairs))


def test_alpha_is_its_definition_pair_by_pair():
    random = np.random.default_rng(0)
    for _ in range(20):
        units = [random.choice(["real", "fake"], random.integers(0, 6)).tolist() for _ in range(15)]
        assert krippendorff_alpha(units) == pytest.approx(alpha_by_pairs(units), abs=1e-12)


def test_alpha_at_its_ends():
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == pytest.approx(1)
    assert krippendorff_alpha([["a", "a"], ["a"]]) is None
    assert krippendorff_alpha([["a"], []]) is None
