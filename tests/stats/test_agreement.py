"""Agreement, against loops and a published example."""

from itertools import combinations

import numpy as np
import pytest

from deformgan.stats.agreement import krippendorff_alpha, same_answer_rate


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


def test_two_raters_agree_as_often_as_pairs_of_their_answers():
    units = [["a", "a", "b"], ["a", "a"], ["b"], []]
    pairs = [[x == y for x, y in combinations(unit, 2)] for unit in units[:2]]
    expected = np.mean([np.mean(same) for same in pairs])
    assert same_answer_rate(units) == pytest.approx(expected)
    assert same_answer_rate(units[2:]) is None
