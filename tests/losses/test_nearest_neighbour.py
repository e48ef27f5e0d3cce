"""The nearest-neighbour loss against its definition, the authors' numbers, and its promises."""

import inspect

import numpy as np
import pytest
import torch
from torch import Tensor

from deformgan.bench.plain_forms import stacked_shifts
from deformgan.bench.timing import peak_memory
from deformgan.losses import nearest_neighbour
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss


def brute_force(generated: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The definition in loops: the map of distances, and the gradient of its sum."""
    batch, _, height, width = generated.shape
    distances = torch.zeros(batch, height, width, dtype=generated.dtype)
    gradient = torch.zeros_like(generated)
    radius = window // 2
    for image in range(batch):
        for y in range(height):
            for x in range(width):
                here = generated[image, :, y, x]
                candidates = [
                    target[image, :, v, u]
                    for v in range(max(0, y - radius), min(height, y + radius + 1))
                    for u in range(max(0, x - radius), min(width, x + radius + 1))
                ]
                each = torch.stack([(here - there).abs().sum() for there in candidates])
                distances[image, y, x] = each.min()
                best = [there for there, d in zip(candidates, each, strict=True) if d == each.min()]
                signs = torch.stack([(here - there).sign() for there in best])
                gradient[image, :, y, x] = signs.mean(dim=0)
    return distances, gradient


def run(generated: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """The distances and the gradient of their sum, by the shipped function."""
    leaf = generated.clone().requires_grad_()
    distances = nearest_neighbour_loss(leaf, target, window, reduction="none")
    distances.sum().backward()
    assert leaf.grad is not None
    return distances.detach(), leaf.grad


@pytest.fixture(params=[1, 100, 2**20], ids=["position by position", "some rows", "all at once"])
def block(request, monkeypatch):
    monkeypatch.setattr(nearest_neighbour, "_CPU_BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("window", [1, 3, 5, 7])
@pytest.mark.parametrize("shape", [(2, 3, 6, 5), (3, 2, 1, 9), (1, 4, 9, 1), (2, 1, 2, 2)])
def test_matches_the_definition_in_value_and_gradient(window, shape):
    generated, target = torch.rand(shape), torch.rand(shape)
    for ours, expected in zip(
        run(generated, target, window), brute_force(generated, target, window), strict=True
    ):
        torch.testing.assert_close(ours, expected)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("window", [1, 3, 5])
def test_ties_share_the_gradient_as_the_definition_says(window):
    # Few whole numbers: nearly every position has several matches, alike or different.
    generated, target = (torch.randint(0, 3, (2, 2, 7, 6)).float() for _ in range(2))
    for ours, expected in zip(
        run(generated, target, window), brute_force(generated, target, window), strict=True
    ):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("case", "abcd")
@pytest.mark.parametrize("window", [1, 3, 5])
def test_gives_the_authors_numbers(golden, case, window):
    arrays = np.load(golden / "nn_loss.npz")
    real, fake = (
        torch.from_numpy(arrays[f"{name}_{case}"]).permute(0, 3, 1, 2) for name in ("real", "fake")
    )
    distances, _ = run(fake, real, window)
    np.testing.assert_allclose(distances, arrays[f"map_{case}_n{window}"], rtol=1e-6, atol=4e-6)
    leaf = fake.clone().requires_grad_()
    mean = nearest_neighbour_loss(leaf, real, window)
    mean.backward()
    np.testing.assert_allclose(mean.item(), arrays[f"mean_{case}_n{window}"], rtol=1e-6)
    assert leaf.grad is not None
    gradient = leaf.grad.permute(0, 2, 3, 1)
    np.testing.assert_allclose(gradient, arrays[f"grad_{case}_n{window}"], atol=1e-8)


def test_equals_stacked_shifts_differentiated_by_autograd_at_full_size():
    generated, target = torch.rand(2, 64, 64, 32), torch.rand(2, 64, 64, 32)
    results = []
    for loss in (nearest_neighbour_loss, stacked_shifts):
        leaf = generated.clone().requires_grad_()
        value = loss(leaf, target, 3)
        value.backward()
        results.append((value.detach(), leaf.grad))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-9)


def test_gradient_is_that_of_finite_differences():
    generated = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda features: nearest_neighbour_loss(features, target, 3), generated
    )


def test_sum_is_the_mean_times_the_positions():
    generated, target = torch.rand(2, 3, 6, 5), torch.rand(2, 3, 6, 5)
    total = nearest_neighbour_loss(generated, target, 3, reduction="sum")
    torch.testing.assert_close(total, nearest_neighbour_loss(generated, target, 3) * 60)


def test_a_shift_inside_the_window_costs_nothing_away_from_the_border():
    target = torch.rand(1, 8, 12, 10)
    shifted = target.roll((1, -1), dims=(2, 3))
    distances = nearest_neighbour_loss(shifted, target, 3, reduction="none")
    assert distances[:, 1:-1, 1:-1].max() == 0
    assert nearest_neighbour_loss(shifted, target, 1) > 0


def test_gradient_reaches_the_generated_features_only():
    generated, target = (torch.rand(1, 2, 4, 4, requires_grad=True) for _ in range(2))
    nearest_neighbour_loss(generated, target, 3).backward()
    assert target.grad is None
    assert generated.grad is not None
    assert generated.grad.abs().sum() > 0


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(memory_format):
    generated, target = torch.rand(2, 8, 6, 5), torch.rand(2, 8, 6, 5)
    laid_out = (tensor.contiguous(memory_format=memory_format) for tensor in (generated, target))
    for ours, expected in zip(run(*laid_out, 3), run(generated, target, 3), strict=True):
        torch.testing.assert_close(ours, expected)


def test_half_precision_features_are_compared_in_float32():
    generated, target = (torch.rand(1, 64, 8, 8, dtype=torch.bfloat16) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        distances, gradient = run(generated, target, 3)
    expected, signs = run(generated.float(), target.float(), 3)
    assert distances.dtype == torch.float32
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(distances, expected)
    torch.testing.assert_close(gradient.float(), signs)


def test_batch_one_equals_the_same_image_in_a_batch():
    generated, target = torch.rand(8, 4, 6, 5), torch.rand(8, 4, 6, 5)
    together, _ = run(generated, target, 3)
    alone, _ = run(generated[5:6], target[5:6], 3)
    torch.testing.assert_close(alone, together[5:6])


def test_memory_does_not_grow_with_the_window_and_holds_no_copies():
    generated = torch.rand(2, 64, 96, 96, requires_grad=True)
    target = torch.rand(2, 64, 96, 96)

    def peak(window: int) -> int:
        def step():
            nearest_neighbour_loss(generated, target, window).backward()
            generated.grad = None

        return peak_memory(step, "cpu")

    features = target.numel() * 4
    peaks = {window: peak(window) for window in (3, 5, 9)}
    # The gradient, a block of differences and some maps of positions; a ninth of all shifts.
    assert max(peaks.values()) < 2.5 * features
    assert peaks[9] < 1.1 * peaks[3]


@pytest.mark.parametrize("window", [0, 2, -1])
def test_refuses_a_window_without_a_centre(window):
    features = torch.rand(1, 1, 2, 2)
    with pytest.raises(ValueError, match="odd and positive"):
        nearest_neighbour_loss(features, features, window)


def test_refuses_an_unknown_reduction():
    features = torch.rand(1, 1, 2, 2)
    with pytest.raises(ValueError, match="reduction must be"):
        inspect.unwrap(nearest_neighbour_loss)(features, features, 3, reduction="median")


def test_refuses_features_of_two_sizes():
    with pytest.raises(ValueError, match="must have the same shape"):
        inspect.unwrap(nearest_neighbour_loss)(torch.rand(1, 1, 2, 2), torch.rand(1, 1, 2, 3))
