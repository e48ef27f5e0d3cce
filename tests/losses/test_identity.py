"""The Re-ID network's judgement as a loss: its definition, its gradient, who pays for it."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.losses.identity import identity_loss
from deformgan.recipes import RECIPES
from deformgan.training.compared import Compared
from deformgan.training.config import LossWeights
from deformgan.training.step import generator_terms


def images(*seeds, size=(128, 64)):
    drawn = []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)
        drawn.append(F.interpolate(torch.rand(1, 3, 8, 4, generator=random) * 2 - 1, size))
    return torch.cat(drawn)


def test_it_is_one_minus_the_mean_cosine():
    generated, target = images(0, 1, 2), images(3, 4, 5)
    network = load_person_embedding()
    cosines = [
        F.cosine_similarity(network.describe(one[None]), network.describe(other[None]))[0]
        for one, other in zip(generated, target, strict=True)
    ]
    expected = 1 - torch.stack(cosines).mean()
    torch.testing.assert_close(identity_loss(generated, target), expected)


def test_the_same_picture_costs_nothing_and_another_person_something():
    assert identity_loss(images(0), images(0)).item() == pytest.approx(0, abs=1e-6)
    assert identity_loss(images(0), images(1)).item() > 0.05


def test_a_step_down_its_gradient_comes_nearer_and_the_network_stays_frozen():
    generated, target = images(0).requires_grad_(), images(1)
    before = identity_loss(generated, target)
    before.backward()
    assert generated.grad is not None
    assert identity_loss(generated - 0.5 * generated.grad, target) < before
    assert not any(p.requires_grad for p in load_person_embedding().parameters())


def test_pictures_of_other_sizes_are_looked_at_too():
    loss = identity_loss(images(0, size=(256, 128)), images(0, size=(256, 128)))
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_only_a_recipe_that_asks_for_it_loads_the_network(monkeypatch, people):
    from deformgan.pair import View

    def refuse(path=None):
        raise AssertionError("loaded")

    monkeypatch.setattr("deformgan.losses.identity.load_person_embedding", refuse)
    monkeypatch.setattr("deformgan.losses.identity._bundled", lambda device: refuse())
    config = replace(RECIPES["pedestrian-base"](), weights=LossWeights(adversarial=0.0, l1=1.0))
    view = View(images(0), people(1))
    compared = Compared.of(view, images(1), None, config)
    terms = generator_terms(compared, [], config)
    assert list(terms) == ["l1"]
    asking = replace(config, weights=LossWeights(adversarial=0.0, l1=1.0, identity=2.0))
    with pytest.raises(AssertionError, match="loaded"):
        generator_terms(compared, [], asking)


def test_its_weight_counts_and_the_recipe_differs_in_nothing_else(people):
    from deformgan.pair import View

    config = replace(
        RECIPES["pedestrian-base"](), weights=LossWeights(adversarial=0.0, identity=3.0)
    )
    compared = Compared.of(View(images(0), people(1)), images(1), None, config)
    terms = generator_terms(compared, [], config)
    torch.testing.assert_close(terms["identity"], 3 * identity_loss(images(1), images(0)))
    small, reid = RECIPES["pedestrian-base"](), RECIPES["pedestrian-reid"]()
    assert reid.weights.identity > 0
    weights = replace(reid.weights, identity=0.0)
    assert replace(reid, recipe=small.recipe, weights=weights) == small
