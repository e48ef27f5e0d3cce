"""What is compared is equal, and a ratio is ours over the other."""

import pytest
import torch

from deformgan.bench import comparisons, plain_forms
from deformgan.bench.comparisons import Comparison
from deformgan.bench.people import bundled_parts
from deformgan.deformable_skip import warp_parts
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss


def both(first, second, features):
    """Value and gradient of two functions of the same features."""
    found = []
    for function in (first, second):
        leaf = features.detach().clone().requires_grad_()
        value = function(leaf)
        value.square().sum().backward()
        found.append((value.detach(), leaf.grad))
    return found


def test_the_two_losses_that_are_compared_are_equal():
    generated, target = torch.rand(2, 8, 16, 12), torch.rand(2, 8, 16, 12)
    ours, other = both(
        lambda features: nearest_neighbour_loss(features, target, 3),
        lambda features: plain_forms.stacked_shifts(features, target, 3),
        generated,
    )
    torch.testing.assert_close(ours, other)


@pytest.mark.parametrize(("size", "batch"), [((128, 64), 4), ((256, 256), 2)])
def test_the_two_skips_that_are_compared_are_equal_on_the_bundled_people(size, batch):
    transforms, masks = bundled_parts(batch, size, "cpu")
    assert transforms.shape == (batch, 10, 2, 3)
    # A person's parts: each somewhere, and all but the torso's (the whole image) in a small place.
    assert masks[:, 0].all()
    assert 0.05 < masks[:, 1:].float().mean(dim=(2, 3)).sum(dim=1).mean() < 1
    ours, other = both(
        lambda features: warp_parts(features, transforms, masks),
        lambda features: plain_forms.ten_copies(features, transforms, masks),
        torch.randn(batch, 3, *size).relu(),
    )
    torch.testing.assert_close(ours[0], other[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours[1].sum(), other[1].sum(), rtol=1e-3, atol=1e-2)


def test_a_ratio_is_ours_over_the_other_in_the_same_repetition(clock, monkeypatch):
    monkeypatch.setattr(comparisons, "peak_memory", lambda run, device: run() or 0)
    # After the warm-up; the machine is ten times slower from the third time on.
    ours, other = iter([2, 2, 30, 20]), iter([1, 1, 10, 10])
    compared = Comparison("slow", lambda: clock(next(ours)), lambda: clock(next(other)))
    found = comparisons.measure(compared, "cpu", 0.0, least=3)
    assert (found.ratio, found.repetitions) == (2.0, 3)
    assert found.ratio_spread == (2.0, 2.5)
