"""The arithmetic of the inception score."""

import math

import numpy as np
import pytest
import torch

from deformgan.metrics.inception_score import inception_score


@pytest.mark.parametrize("splits", [1, 10])
def test_gives_the_authors_numbers(golden, splits):
    arrays = np.load(golden / "inception_score.npz")
    mean, deviation = inception_score(torch.from_numpy(arrays["preds"]), splits)
    # The reference computed in float32.
    np.testing.assert_allclose(
        [mean, deviation], arrays[f"mean_std_splits{splits}"], rtol=0, atol=2e-6
    )


def test_equals_the_definition_in_slow_loops():
    rows = torch.rand(7, 4, dtype=torch.float64).softmax(dim=1)
    scores = []
    for part in (rows[:2], rows[2:4], rows[4:]):  # 7 rows in 3 parts, cut at 7/3 and 14/3
        overall = [sum(row[k].item() for row in part) / len(part) for k in range(4)]
        divergences = [
            sum(row[k].item() * math.log(row[k].item() / overall[k]) for k in range(4))
            for row in part
        ]
        scores.append(math.exp(sum(divergences) / len(part)))
    mean, deviation = inception_score(rows, 3)
    assert mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert deviation == pytest.approx(np.std(scores), abs=1e-12)


def test_sure_and_varied_rows_score_the_number_of_classes_and_equal_rows_score_one():
    assert inception_score(torch.eye(5), 1) == pytest.approx((5.0, 0.0))
    assert inception_score(torch.full((6, 5), 0.2), 2) == pytest.approx((1.0, 0.0))


def test_refuses_more_splits_than_images():
    with pytest.raises(ValueError, match="4 images, got 5"):
        inception_score(torch.full((4, 2), 0.5), 5)


@pytest.mark.parametrize("splits", [1, 10])
def test_matches_torch_fidelity_on_the_same_logits(splits):
    theirs = pytest.importorskip("torch_fidelity.metric_isc", reason="needs torch-fidelity")
    logits = 4 * torch.randn(103, 1008)
    expected = theirs.isc_features_to_metric(logits, splits=splits, shuffle=False)
    mean, deviation = inception_score(logits.double().softmax(dim=1), splits)
    assert mean == pytest.approx(expected[theirs.KEY_METRIC_ISC_MEAN], rel=1e-9)
    assert deviation == pytest.approx(expected[theirs.KEY_METRIC_ISC_STD], rel=1e-9, abs=1e-12)
