"""Labels by a teacher, against slow definitions."""

import math

import pytest
import torch
import torch.nn.functional as F

from deformgan.reid.teacher import teacher_labels

FEATURES = 5


def embedding(photos, noise=0.4):
    """Return an embedding: a direction per person, with noise; same for the same image."""
    random = torch.Generator().manual_seed(3)
    people = torch.randn(photos.num_classes, FEATURES, generator=random)
    vectors = people[photos.classes] + noise * torch.randn(len(photos), FEATURES, generator=random)
    table = {image.numpy().tobytes(): v for image, v in zip(photos.images, vectors, strict=True)}

    def embed(images):
        return F.normalize(torch.stack([table[i.numpy().tobytes()] for i in images]), dim=1)

    return embed


def cosines(photos, embed, left_out=None):
    """Return the cosine of every photo to the mean of every person's real photos."""
    vectors = embed(photos.images)
    rows = []
    for row in range(len(photos)):
        means = []
        for person in range(photos.num_classes):
            mine = [
                other
                for other in range(len(photos))
                if photos.classes[other] == person
                and not photos.generated[other]
                and not (left_out and other == row)
            ]
            means.append(vectors[mine].sum(dim=0))
        rows.append([float(F.cosine_similarity(vectors[row], mean, dim=0)) for mean in means])
    return rows


def test_labels_are_the_calibrated_softmax_of_cosines(photos):
    data = photos(4, 6)
    embed = embedding(data)
    labels = teacher_labels(data, embed)
    apart = cosines(data, embed, left_out=True)

    def likelihood(factor):
        total = 0.0
        for row, person in enumerate(data.classes.tolist()):
            if not data.generated[row]:
                shares = [math.exp(factor * (v - max(apart[row]))) for v in apart[row]]
                total += math.log(max(shares[person] / sum(shares), 1e-300))
        return total

    factors = [10 ** (exponent / 20) for exponent in range(61)]
    factor = max(factors, key=likelihood)
    for row, values in enumerate(cosines(data, embed)):
        shares = [math.exp(factor * (value - max(values))) for value in values]
        expected = torch.tensor(shares) / sum(shares)
        torch.testing.assert_close(labels[row], expected, rtol=1e-3, atol=1e-5)


def test_a_better_teacher_is_more_certain(photos):
    data = photos(4, 6)
    sure, unsure = (
        teacher_labels(data, embedding(data, noise)).amax(dim=1).mean() for noise in (0.1, 1.0)
    )
    assert sure > unsure + 0.2


def test_an_identity_without_real_photos_keeps_its_label(photos):
    data = photos(4, 6)
    generated = data.generated | (data.classes == 3)
    labels = teacher_labels(
        data.__class__(**{**vars(data), "generated": generated}), embedding(data)
    )
    new = data.classes == 3
    torch.testing.assert_close(labels[new, 3], torch.ones(6))
    assert labels[~new, 3].max() == 0
    assert labels.sum(dim=1).tolist() == pytest.approx([1.0] * 24)
