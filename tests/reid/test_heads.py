"""What a baseline is asked, against slow definitions."""

import math

import pytest
import torch
import torch.nn.functional as F

from deformgan.reid.baseline import Baseline, BaselineConfig
from deformgan.reid.heads import (
    MARGIN,
    VERIFICATION,
    Heads,
    identity_loss,
    label_distributions,
    triplet_loss,
)

CLASSES = torch.tensor([0, 0, 1, 1, 4, 4])
NOBODY = torch.zeros(6, dtype=torch.bool)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_identity_loss_is_torchs_cross_entropy(smoothing):
    logits = torch.randn(6, 5)
    expected = F.cross_entropy(logits, CLASSES, label_smoothing=smoothing)
    torch.testing.assert_close(
        identity_loss(logits, label_distributions(CLASSES, NOBODY, 5, smoothing)), expected
    )


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
    found = identity_loss(logits, label_distributions(CLASSES, soft, 5))
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
    labels = label_distributions(CLASSES, NOBODY, 5)
    terms = heads(torch.rand(6, 3, 64, 32), CLASSES, NOBODY, labels)
    assert terms.keys() == names
    torch.stack(list(terms.values())).sum().backward()
    still = [n for n, p in heads.named_parameters() if p.requires_grad and p.grad is None]
    assert still == []
    assert VERIFICATION == 0.5


def norms(network):
    """Return the running statistics of all batch norms."""
    return {n: b.clone() for n, b in network.named_buffers() if "running" in n}


@pytest.mark.parametrize("statistics", ["own", "shared"])
def test_added_photos_are_classified_with_their_own_or_shared_statistics(statistics):
    torch.manual_seed(1)
    config = BaselineConfig("t", method="bot", photos=2, batch_size=6, added_statistics=statistics)
    heads = Heads(Baseline(config), 5).train()
    before = {name: value.clone() for name, value in heads.state_dict().items()}
    images, added = torch.rand(6, 3, 64, 32), 0.5 * torch.rand(4, 3, 64, 32)
    labels, added_labels = torch.eye(5)[CLASSES], torch.eye(5)[torch.tensor([0, 1, 2, 4])]
    terms = heads(images, CLASSES, NOBODY, labels, added, added_labels)
    assert terms.keys() == {"identity", "triplet", "added"}
    both = norms(heads)

    heads.load_state_dict(before)
    alone = heads(images, CLASSES, NOBODY, labels)
    after_real = norms(heads)
    heads.load_state_dict(before)
    if statistics == "own":
        expected = identity_loss(heads.classifier(heads.baseline.describe(added)[1]), added_labels)
        torch.testing.assert_close(terms["identity"], alone["identity"])
        torch.testing.assert_close(terms["triplet"], alone["triplet"])
        for name, value in both.items():
            torch.testing.assert_close(value, after_real[name])
    else:
        vectors = heads.baseline.describe(torch.cat([images, added]))[1]
        expected = identity_loss(heads.classifier(vectors[6:]), added_labels)
        assert any(not torch.equal(value, after_real[name]) for name, value in both.items())
    torch.testing.assert_close(terms["added"], expected)


def test_batch_norms_keep_their_momentum():
    heads = Heads(Baseline(BaselineConfig("t", method="bot", photos=2, batch_size=6)), 5).train()
    labels = torch.eye(5)[CLASSES]
    images = torch.rand(6, 3, 64, 32)
    heads(images, CLASSES, NOBODY, labels, images, labels)
    found = {m.momentum for m in heads.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert found == {0.1}
