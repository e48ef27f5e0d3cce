"""The fused search of the nearest-neighbour loss against its PyTorch twin.

Runs on a GPU if there is one, otherwise in Triton's interpreter (see tests/conftest.py).
"""

import pytest
import torch

pytest.importorskip("triton", reason="needs the extra gpu")

from deformgan.kernels.nearest_distance import nearest_distance
from deformgan.losses.nearest_neighbour import _NearestDistance

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WINDOWS = [1, 3, 5, 7]


def both_ways(function, generated, target, window):
    """The distances, and the gradient that a fixed upstream gradient leads to."""
    leaf = generated.detach().to(DEVICE).requires_grad_()
    distances = function(leaf, target.to(DEVICE), window)
    upstream = torch.rand(distances.shape, generator=torch.Generator().manual_seed(7)) - 0.3
    distances.backward(upstream.to(distances))
    return distances.detach(), leaf.grad


def assert_equals_the_twin(generated, target, window, tolerance=1e-6):
    ours = both_ways(nearest_distance, generated, target, window)
    wanted = both_ways(_NearestDistance.apply, generated, target, window)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("window", WINDOWS)
def test_equals_its_twin_forward_and_backward(window):
    # More positions and channels than one program computes, and a last one that is not full.
    assert_equals_the_twin(torch.rand(2, 17, 9, 11), torch.rand(2, 17, 9, 11), window)


@pytest.mark.parametrize("window", WINDOWS)
def test_ties_share_the_gradient_as_in_the_twin(window):
    # Few whole numbers: nearly every position has several matches, alike or different.
    generated, target = (torch.randint(0, 3, (2, 2, 7, 6)).float() for _ in range(2))
    assert_equals_the_twin(generated, target, window)


@pytest.mark.parametrize("shape", [(3, 2, 1, 9), (1, 4, 9, 1), (2, 1, 2, 2)])
def test_images_narrower_than_the_window_equal_the_twin(shape):
    assert_equals_the_twin(torch.rand(shape), torch.rand(shape), 5)


def test_bfloat16_features_are_compared_in_float32():
    generated, target = (torch.rand(1, 16, 6, 5).bfloat16() for _ in range(2))
    ours = both_ways(nearest_distance, generated, target, 3)
    wanted = both_ways(_NearestDistance.apply, generated, target, 3)
    assert ours[0].dtype == torch.float32
    assert ours[1].dtype == torch.bfloat16
    torch.testing.assert_close(ours[0], wanted[0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours[1], wanted[1])


def test_float64_equals_the_twin_to_its_precision():
    shape = (1, 5, 6, 7)
    generated, target = torch.rand(2, *shape, dtype=torch.float64)
    assert_equals_the_twin(generated, target, 3, tolerance=1e-14)


def test_the_layouts_in_memory_do_not_matter():
    generated, target = torch.rand(1, 8, 6, 5), torch.rand(1, 8, 6, 5)
    last = generated.contiguous(memory_format=torch.channels_last)
    ours = both_ways(nearest_distance, last, target.mT.contiguous().mT, 3)
    for one, other in zip(ours, both_ways(nearest_distance, generated, target, 3), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_features_that_are_not_numbers_are_not_hidden():
    generated, target = torch.rand(1, 2, 6, 5), torch.rand(1, 2, 6, 5)
    target[0, 0, 0, 0] = torch.nan
    distances = both_ways(nearest_distance, generated, target, 3)[0].view(6, 5)
    near = torch.zeros(6, 5, dtype=torch.bool)
    near[:2, :2] = True
    assert torch.equal(distances.isnan().cpu(), near)
