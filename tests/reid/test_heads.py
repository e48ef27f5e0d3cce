"""What a baseline is asked, against slow definitions."""

import math

import pytest
import torch
import torch.nn.functional as F

from deformgan.reid.baseline import Baseline, BaselineConfig
from deformgan.reid.heads import MARGIN, VERIFICATION, Heads, identity_loss, triplet_loss

CLASSES = torch.tensor([0, 0, 1, 1, 4, 4])
NOBODY = torch.zeros(6, dtype=torch.bool)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_identity_loss_is_torchs_cross_entropy(smoothing):
    logits = torch.randn(6, 5)
    expected = F.cross_entropy(logits, CLASSES, label_smoothing=smoothing)
    torch.testing.assert_close(identity_loss(logits, CLASSES, NOBODY, smoothing), expected)


def test_a_soft_label_is_even_over_all_classes_as_lsro_defines_it():
    logits = torch.randn(6, 5)
    soft = torch.tensor([False, True, False, False, True, False])
    expected = []
    for row in range(6):
        probability = logits[row].exp() / logits[row].exp().sum()
        if soft[row]:
            expected.append(-sum(math.log(p) for p in probability) / 5)
        else:
            expected.append(-math.log(probability[CLASSES[row]]))
    found = identity_loss(logits, CLASSES, soft)
    torch.testing.assert_close(found, torch.tensor(sum(expected) / 6))


@pytest.mark.parametrize("with_soft", [False, True])
def test_the_triplet_loss_is_its_definition_in_loops(with_soft):
    features = torch.randn(6, 7)
    soft = torch.tensor([False, False, True, False, False, False]) & with_soft
    losses = []
    for a in range(6):
        if soft[a]:
            continue
        distance = [float((features[a] - features[b]).norm()) for b in range(6)]
        known = [b for b in range(6) if not soft[b]]
        farthest = max(distance[b] for b in known if CLASSES[b] == CLASSES[a])
        nearest = min(distance[b] for b in known if CLASSES[b] != CLASSES[a])
        losses.append(max(0.0, farthest - nearest + MARGIN))
    expected = torch.tensor(sum(losses) / len(losses))
    found = triplet_loss(features, CLASSES, soft)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_triplets_of_soft_photos_alone_are_no_loss_and_no_nan():
    features = torch.randn(6, 7, requires_grad=True)
    loss = triplet_loss(features, CLASSES, ~NOBODY)
    loss.backward()
    assert loss.item() == 0
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_verification_looks_at_as_many_pairs_of_one_person_as_of_two():
    torch.manual_seed(3)
    heads = Heads(Baseline(BaselineConfig("t", method="de", photos=2, batch_size=6)), 5)
    features = torch.randn(6, heads.baseline.num_features)
    losses = []
    for a in range(6):
        partner = a ^ 1
        other = (a + 2) % 6
        for b, same in ((partner, 1), (other, 0)):
            logits = heads.verifier((features[a] - features[b]).square())
            losses.append(-logits.log_softmax(0)[same])
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(heads._verify(features, CLASSES, NOBODY), expected)
    soft = torch.tensor([True] * 6)
    assert heads._verify(features, CLASSES, soft).item() == 0


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("ide", {"identity"}),
        ("de", {"identity", "verification"}),
        ("bot", {"identity", "triplet"}),
    ],
)
def test_every_method_has_its_terms_and_they_move_all_its_weights(method, names):
    heads = Heads(Baseline(BaselineConfig("t", method=method, photos=2, batch_size=6)), 5)
    terms = heads(torch.rand(6, 3, 64, 32), CLASSES, NOBODY)
    assert terms.keys() == names
    torch.stack(list(terms.values())).sum().backward()
    still = [n for n, p in heads.named_parameters() if p.requires_grad and p.grad is None]
    assert still == []
    assert VERIFICATION == 0.5
