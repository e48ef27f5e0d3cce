"""FID: its moments and its distance, on random features."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from deformgan.metrics.fid import FeatureMoments, fid, frechet_distance

FEATURES = 24


def features(images, seed, width=FEATURES):
    """Correlated, shifted features."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(images, width)) @ random.normal(size=(width, width))
    return torch.from_numpy(mixed + random.normal(size=width))


def moments(values, batch=7):
    counted = FeatureMoments(values.shape[1])
    for part in values.split(batch):
        counted.add(part)
    return counted


def distance(a, b):
    return fid(moments(a), moments(b))


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_moments_in_batches_are_those_of_all_at_once(batch):
    values = features(100, seed=0)
    counted = moments(values, batch)
    assert counted.count == 100
    np.testing.assert_allclose(counted.mean, values.mean(dim=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        counted.covariance, np.cov(values, rowvar=False), rtol=1e-11, atol=1e-11
    )


def test_merged_moments_are_those_of_all():
    values = features(100, seed=0)
    merged, empty = FeatureMoments(FEATURES), FeatureMoments(FEATURES)
    merged.add(values[:0])
    for part in (empty, moments(values[:13]), empty, moments(values[13:])):
        merged.merge(part)
    whole = moments(values, batch=100)
    assert merged.count == whole.count
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-11, atol=1e-11)


def test_moments_lose_nothing_far_from_zero():
    # Sums of squares would keep no digit of this variance; features of float32 come as they are.
    values = features(100, seed=0)
    far = moments(values + 1e7).covariance
    torch.testing.assert_close(far, moments(values).covariance, rtol=1e-6, atol=1e-6)
    single = values.float()
    torch.testing.assert_close(moments(single).mean, single.double().mean(dim=0))


def test_one_image_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        _ = moments(features(1, seed=0)).covariance


def test_matches_the_formula_with_scipys_matrix_root():
    a, b = features(200, seed=1), features(150, seed=2)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(cov_a @ cov_b).real
    shift = np.square(a.mean(dim=0).numpy() - b.mean(dim=0).numpy()).sum()
    expected = shift + np.trace(cov_a + cov_b - 2 * root)
    assert distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_matches_torch_fidelity():
    theirs = pytest.importorskip("torch_fidelity.metric_fid", reason="needs torch-fidelity")
    a, b = features(200, seed=1), features(150, seed=2)
    statistics = [theirs.fid_features_to_statistics(part) for part in (a, b)]
    expected = theirs.fid_statistics_to_metric(*statistics, verbose=False)
    assert distance(a, b) == pytest.approx(expected[theirs.KEY_METRIC_FID], rel=1e-6)


def test_fewer_images_than_features_add_no_rounding():
    a, b = features(9, seed=1, width=200), features(14, seed=2, width=200)
    # The trace of the root, from the small matrix of inner products between the two sets.
    centred_a, centred_b = (part - part.mean(dim=0) for part in (a, b))
    cross = torch.linalg.svdvals(centred_a @ centred_b.T).sum() / math.sqrt(8 * 13)
    spread = centred_a.square().sum() / 8 + centred_b.square().sum() / 13 - 2 * cross
    expected = (a.mean(dim=0) - b.mean(dim=0)).square().sum() + spread
    assert distance(a, b) == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("images", [10, 300])
def test_a_set_is_at_distance_zero_of_itself(images):
    values = features(images, seed=3, width=60)
    assert distance(values, values.flip(0)) == pytest.approx(0, abs=1e-9)


def test_a_shift_costs_its_square_and_a_scale_its_difference():
    values = features(100, seed=4)
    shift = torch.linspace(-1, 2, FEATURES).double()
    assert distance(values, values + shift) == pytest.approx(shift.square().sum().item(), rel=1e-9)
    centred = moments(values - values.mean(dim=0))
    doubled = moments(2 * (values - values.mean(dim=0)))
    # The root of 4 C C is 2 C: the trace of C + 4 C - 2 * 2 C.
    assert fid(centred, doubled) == pytest.approx(centred.covariance.trace().item(), rel=1e-9)


def test_is_the_distance_of_numbers_where_there_is_one_feature():
    one = frechet_distance(*(torch.tensor(v) for v in ([1.0], [[4.0]], [3.0], [[25.0]])))
    assert one == pytest.approx((1 - 3) ** 2 + (2 - 5) ** 2)


def test_equal_images_are_at_the_distance_of_their_means():
    same, other = torch.zeros(3, 4), torch.full((5, 4), 2.0)
    assert distance(same, other) == pytest.approx(16)
