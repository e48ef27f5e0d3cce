"""Gradients of whole networks: an activation next to 0 is on the right side in double precision."""

import numpy as np
import pytest
import torch

from deformgan.verify import training
from deformgan.verify.checks import AllChecks
from deformgan.verify.golden import Golden
from deformgan.verify.networks import NetworkInputs
from deformgan.verify.training import Game, check_generator_gradients

WEIGHTS, GRADIENTS = "net/gen_none_128x64_weights.npz", "net/grad_gen_none_128x64.npz"
BLOCK = 3  # of the decoder; a ReLU follows its norm
SHIFT, SCALE = f"dec.{BLOCK}.beta", f"dec.{BLOCK}.gamma"
NEAR = 6e-7
STEP = 1e-7  # of a finite difference, too short to carry any activation over 0


class SingleGame(Game):
    """The same game in single precision."""

    def __init__(self, golden: Golden, variant: str, key: str):
        super().__init__(golden, variant, key)
        self.generator.float()
        self.discriminator.float()
        self.inputs = NetworkInputs(golden, key, torch.float32)
        self._guide = self.inputs.guide("none")


@pytest.fixture
def numbers(golden):
    """The shared folder, whose arrays a test may change in memory."""
    return Golden(golden)


def activations(game: Game) -> torch.Tensor:
    """Return the inputs of the ReLU behind the block."""
    with torch.no_grad():
        layers = game.generator.paint(game.inputs.source, game.inputs.guide("none")).decoder
    return layers[BLOCK].double()


def plant(numbers: Golden) -> tuple[int, ...]:
    """Shift the block so that the unit single precision pulls down most is `NEAR` above 0."""
    exact, single = (activations(kind(numbers, "none", "128x64")) for kind in (Game, SingleGame))
    lowest = np.unravel_index(int((single - exact).argmin()), exact.shape)
    unit = tuple(int(place) for place in lowest)
    weights = numbers.arrays(WEIGHTS)
    # A shift that both precisions hold exactly.
    weights[SHIFT] = (weights[SHIFT].astype(np.float64) - exact[unit].item() + NEAR).astype("f4")
    return unit


def slope(numbers: Golden, name: str) -> float:
    """Return the derivative of the loss with respect to a weight, as a finite difference."""
    weights, losses = numbers.arrays(WEIGHTS), []
    kept = weights[name]
    for step in (STEP, -STEP):
        weights[name] = kept.astype(np.float64) + step
        game = Game(numbers, "none", "128x64")
        with torch.no_grad():
            losses.append(game.generator_terms(game.paint(), "l1")[0].item())
    weights[name] = kept
    return (losses[0] - losses[1]) / (2 * STEP)


def verdicts(numbers: Golden) -> dict[str, str]:
    """Check the slopes of the block as if they were the reference's gradients."""
    slopes = {name: np.array([slope(numbers, name)]) for name in (SHIFT, SCALE)}
    numbers.arrays(GRADIENTS).clear()
    numbers.arrays(GRADIENTS).update(slopes)
    all_checks = AllChecks(numbers)
    check_generator_gradients(all_checks, GRADIENTS)
    return {row.array: row.status for row in all_checks.of_file(GRADIENTS).rows()}


def test_an_activation_next_to_zero_has_the_sign_that_single_precision_gets_wrong(numbers):
    unit = plant(numbers)
    assert activations(Game(numbers, "none", "128x64"))[unit].item() == pytest.approx(
        NEAR, abs=2e-7
    )
    assert activations(SingleGame(numbers, "none", "128x64"))[unit].item() < 0


def test_the_gradient_passes_a_rectifier_next_to_zero(numbers):
    plant(numbers)
    assert verdicts(numbers) == {SHIFT: "pass", SCALE: "pass"}


def test_single_precision_would_fail_at_a_rectifier_next_to_zero_and_nowhere_else(
    golden, monkeypatch
):
    monkeypatch.setattr(training, "Game", SingleGame)
    plain, planted = Golden(golden), Golden(golden)
    plant(planted)
    assert verdicts(plain) == {SHIFT: "pass", SCALE: "pass"}
    assert verdicts(planted) == {SHIFT: "fail", SCALE: "fail"}
