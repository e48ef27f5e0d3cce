"""Significance, by scipy and slow loops."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from deformgan.stats.significance import holm, sign_flip_test, sign_test


@pytest.mark.parametrize("count", [1, 5, 10])
def test_signs_of_few_pairs_are_all_tried_as_in_scipy(count):
    random = np.random.default_rng(count)
    first, second = random.normal(0.5, 1, (2, count, 3))
    p = sign_flip_test(torch.from_numpy(first - second))
    for column in range(3):
        if count == 1:
            assert p[column] == 1  # scipy wants two
            continue
        theirs = stats.permutation_test(
            (first[:, column], second[:, column]),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert p[column].item() == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_signs_of_many_pairs_come_near_all_signs():
    differences = np.random.default_rng(3).normal(0.4, 1, 14)
    signs = np.array(list(product((1, -1), repeat=14)))
    share = np.mean(abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    ours = sign_flip_test(torch.from_numpy(differences)[:, None])
    assert 0.005 < share < 0.9
    assert ours.item() == pytest.approx(share, abs=0.015)


def test_p_is_the_share_of_signs_whose_sum_is_as_far_from_zero():
    differences = [0.5, -0.1, 0.3, 0.0, 0.2]
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=5)
    ]
    share = sum(total >= abs(sum(differences)) - 1e-12 for total in sums) / len(sums)
    p = sign_flip_test(torch.tensor(differences, dtype=torch.float64)[:, None])
    assert p.item() == pytest.approx(share)
    assert share == 8 / 32  # 0.5+0.3+0.2, with 0.1 for or against, 0 and all of it either way


def test_p_is_never_zero_and_one_for_equal_systems():
    apart = torch.ones(40, 1, dtype=torch.float64)
    assert sign_flip_test(apart, flips=99).item() == pytest.approx(1 / 100)
    assert sign_flip_test(0 * apart).item() == 1


def test_p_hardly_ever_is_small_where_systems_are_alike():
    random = np.random.default_rng(0)
    p = sign_flip_test(torch.from_numpy(random.normal(0, 1, (40, 400))), flips=499)
    assert (p < 0.05).double().mean() == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_holms_values_reject_what_his_procedure_rejects(seed):
    p = np.random.default_rng(seed).beta(0.3, 3, 9).tolist()
    corrected = holm(p)
    for level in np.linspace(0.001, 0.999, 97):
        rejected, left = set(), sorted(range(9), key=lambda place: p[place])
        while left and p[left[0]] <= level / len(left):
            rejected.add(left.pop(0))
        assert rejected == {place for place in range(9) if corrected[place] <= level}


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (5, 10), (9, 10), (70, 100), (0, 12)])
def test_the_sign_test_is_scipy_s(successes, trials):
    assert sign_test(successes, trials) == pytest.approx(stats.binomtest(successes, trials).pvalue)
