"""Percentile bootstrap intervals."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.stats
import torch

from deformgan.stats.bootstrap import bootstrap_interval, bootstrap_intervals, weighted_mean


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
    monkeypatch.setattr("deformgan.stats.bootstrap._CHUNK", 30 * 7)
    assert bootstrap_interval(values, resamples=500) == whole


def test_equal_values_have_an_interval_without_width():
    assert bootstrap_interval(torch.full((9,), 0.25), resamples=50) == (0.25, 0.25)


def test_people_are_drawn_with_all_of_their_images():
    counts = [1, 2, 3, 2, 4]
    clusters = [name for name, count in zip("abcde", counts, strict=True) for _ in range(count)]
    values = torch.rand(sum(counts), dtype=torch.float64)
    low, high = bootstrap_interval(values, clusters=clusters, resamples=20_000)
    # By hand: every equally likely draw of five people out of five.
    groups = [values[[c == name for c in clusters]].numpy() for name in "abcde"]
    means = [
        np.concatenate([groups[person] for person in draw]).mean()
        for draw in itertools.product(range(5), repeat=5)
    ]
    assert low == pytest.approx(np.quantile(means, 0.025), abs=0.01)
    assert high == pytest.approx(np.quantile(means, 0.975), abs=0.01)


def test_images_that_are_all_of_one_person_say_nothing_more_than_that_person():
    values = torch.rand(50)
    mean = values.double().mean().item()
    assert bootstrap_interval(values, resamples=50, clusters=[7] * 50) == pytest.approx((mean,) * 2)


def test_copies_of_images_do_not_narrow_an_interval_over_people():
    values = torch.rand(40, dtype=torch.float64)
    once = bootstrap_interval(values, clusters=range(40))
    assert once == pytest.approx(bootstrap_interval(values))
    assert bootstrap_interval(values.repeat(5), clusters=[*range(40)] * 5) == pytest.approx(once)


def test_whole_weights_are_as_good_as_copies():
    values = torch.rand(12, dtype=torch.float64)
    weights = torch.randint(1, 5, (12,))
    copied = values.repeat_interleave(weights)
    of = torch.arange(12).repeat_interleave(weights).tolist()
    assert weighted_mean(values, weights) == pytest.approx(copied.mean().item())
    assert bootstrap_interval(values, weights=weights) == pytest.approx(
        bootstrap_interval(copied, clusters=of)
    )


def test_refuses_an_empty_list():
    with pytest.raises(ValueError, match="none"):
        bootstrap_interval(torch.zeros(0))


@pytest.mark.parametrize("clusters", [None, [0, 0, 1, 2, 2, 2, 3, 4, 4, 5]])
def test_many_intervals_at_once_are_those_of_each_alone(clusters, monkeypatch):
    monkeypatch.setattr("deformgan.stats.bootstrap._CHUNK", 8 * 10 * 7)
    values, weights = torch.rand(10, 3), torch.randint(1, 5, (10, 3))
    together = bootstrap_intervals(values, 300, 5, 0.9, weights, clusters)
    for column in range(3):
        alone = bootstrap_interval(values[:, column], 300, 5, 0.9, weights[:, column], clusters)
        assert together[column].tolist() == pytest.approx(alone)


def test_an_image_without_a_number_counts_as_one_of_weight_zero():
    values, weights = torch.rand(20, 2), torch.ones(20, 2)
    weights[5:15, 1] = 0
    holes = values.where(weights > 0, torch.nan)
    expected = bootstrap_intervals(values, 400, weights=weights)
    assert torch.equal(bootstrap_intervals(holes, 400), expected)
    assert expected[0].tolist() == pytest.approx(bootstrap_interval(values[:, 0], 400))


def test_a_metric_without_any_number_has_no_interval():
    ends = bootstrap_intervals(torch.stack([torch.rand(6), torch.full((6,), torch.nan)], 1), 50)
    assert ends[0].isfinite().all()
    assert ends[1].isnan().all()


def test_a_metric_with_an_infinite_number_has_no_interval_and_disturbs_no_other():
    random = torch.Generator().manual_seed(0)
    values = torch.rand(50, 2, generator=random, dtype=torch.float64)
    alone = bootstrap_intervals(values[:, :1])
    values[3, 1] = torch.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = bootstrap_intervals(values)
    torch.testing.assert_close(ends[:1], alone)
    assert ends[1].isnan().all()
