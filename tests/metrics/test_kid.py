"""KID on random features."""

import pytest
import torch

from deformgan.metrics.kid import kid, polynomial_mmd


def features(images, seed, shift=0.0, width=16):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(images, width, dtype=torch.float64, generator=random) + shift


def brute_force(a, b):
    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def over_pairs(x):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
        return sum(kernel(x[i], x[j]) for i, j in pairs) / len(pairs)

    a, b = a.tolist(), b.tolist()
    between = sum(kernel(x, y) for x in a for y in b) / (len(a) * len(b))
    return over_pairs(a) + over_pairs(b) - 2 * between


def test_matches_the_definition():
    a, b = features(7, seed=0), features(5, seed=1, shift=0.5)
    assert polynomial_mmd(a, b) == pytest.approx(brute_force(a, b), rel=1e-12)
    assert polynomial_mmd(a.float(), b.float()) == pytest.approx(brute_force(a, b), rel=1e-5)


@pytest.mark.parametrize(("subsets", "size", "seed"), [(1, 40, 2020), (20, 25, 2020), (5, 10, 3)])
def test_draws_torch_fidelitys_subsets_and_gives_its_numbers(subsets, size, seed):
    theirs = pytest.importorskip("torch_fidelity.metric_kid", reason="needs torch-fidelity")
    a, b = features(40, seed=0), features(60, seed=1, shift=0.3)
    expected = theirs.kid_features_to_metric(
        a, b, kid_subsets=subsets, kid_subset_size=size, rng_seed=seed, verbose=False
    )
    mean, deviation = kid(a, b, subsets, size, seed)
    assert mean == pytest.approx(expected[theirs.KEY_METRIC_KID_MEAN], rel=1e-10)
    assert deviation == pytest.approx(expected[theirs.KEY_METRIC_KID_STD], rel=1e-10, abs=1e-15)


def test_one_subset_of_all_is_the_estimate_itself():
    a, b = features(30, seed=0), features(30, seed=1, shift=0.3)
    mean, deviation = kid(a, b, subsets=1, subset_size=30)
    assert mean == pytest.approx(polynomial_mmd(a, b), rel=1e-12)
    assert deviation == 0


def test_is_without_bias():
    # Equal distributions: values scatter round 0, also below, at any number of images.
    values = torch.tensor(
        [polynomial_mmd(features(10, seed=2 * k), features(10, seed=2 * k + 1)) for k in range(100)]
    )
    assert (values < 0).any()
    assert abs(values.mean()) < 4 * values.std() / 10
    assert polynomial_mmd(features(50, seed=0), features(50, seed=1, shift=1.0)) > 1


def test_the_seed_decides_the_subsets():
    a, b = features(40, seed=0), features(40, seed=1)
    assert kid(a, b, 3, 10, seed=1) == kid(a, b, 3, 10, seed=1)
    assert kid(a, b, 3, 10, seed=1) != kid(a, b, 3, 10, seed=2)


@pytest.mark.parametrize("size", [1, 31])
def test_refuses_subsets_it_cannot_draw(size):
    a, b = features(30, seed=0), features(40, seed=1)
    with pytest.raises(ValueError, match=f"got {size} for 30 generated and 40 real images"):
        kid(a, b, subset_size=size)
    with pytest.raises(ValueError, match="subsets must be positive"):
        kid(a, b, subsets=0, subset_size=10)
