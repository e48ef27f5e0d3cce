"""The adversarial losses against the formulas as printed and the authors' numbers."""

import inspect
import math

import pytest
import torch

from deformgan.losses.adversarial import discriminator_loss, generator_loss

REAL, FAKE = torch.tensor([[0.3, -2.0, 4.0]]), torch.tensor([[-0.7, 1.5, 0.0]])


def sigmoid(logits: torch.Tensor) -> list[float]:
    return [1 / (1 + math.exp(-logit)) for logit in logits.flatten().tolist()]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("epsilon", [0.0, 1e-7, 0.01])
def test_the_discriminator_pays_for_both_kinds_of_error(epsilon):
    expected = mean([-math.log(d + epsilon) for d in sigmoid(REAL)]) + mean(
        [-math.log(1 - d + epsilon) for d in sigmoid(FAKE)]
    )
    assert discriminator_loss(REAL, FAKE, epsilon).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 1e-7, 0.01])
def test_generator_loss_is_mean_negative_log_d(epsilon):
    expected = mean([-math.log(d + epsilon) for d in sigmoid(FAKE)])
    assert generator_loss(FAKE, epsilon=epsilon).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 1e-7])
def test_minimax_is_the_game_as_printed(epsilon):
    expected = mean([math.log(1 - d + epsilon) for d in sigmoid(FAKE)])
    value = generator_loss(FAKE, form="minimax", epsilon=epsilon).item()
    assert value == pytest.approx(expected, rel=1e-6)


def test_only_the_non_saturating_form_moves_a_generator_that_is_found_out():
    gradients = {}
    for form in ("non_saturating", "minimax"):
        logits = torch.full((1, 4), -20.0, requires_grad=True)
        generator_loss(logits, form=form).backward()
        assert logits.grad is not None
        gradients[form] = logits.grad.abs().sum().item()
    assert gradients["non_saturating"] == pytest.approx(1.0, rel=1e-6)
    assert gradients["minimax"] < 1e-7


@pytest.mark.parametrize("size", [100.0, 1e4])
def test_the_exact_form_is_finite_however_sure_the_discriminator_is(size):
    logits = torch.tensor([[-size, size]], requires_grad=True)
    loss = discriminator_loss(logits, logits) + generator_loss(logits)
    loss.backward()
    assert loss.item() == pytest.approx(1.5 * size)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_refuses_an_unknown_form():
    with pytest.raises(ValueError, match="form must be"):
        inspect.unwrap(generator_loss)(FAKE, form="hinge")
