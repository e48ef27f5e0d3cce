"""Distances against their definitions over all pairs, and where plain ones fail."""

import pytest
import torch
import torch.nn.functional as F

from deformgan.errors import InputError
from deformgan.reid.distances import DISTANCES, Distance
from deformgan.reid.distances.kissme import Kissme
from deformgan.reid.distances.pair_scatter import RIDGE, pair_scatter

LEARNT = ["kissme", "xqda"]


def training_set(seed=0, photos=40, features=6):
    random = torch.Generator().manual_seed(seed)
    people = torch.randint(7, (photos,), generator=random)
    cameras = torch.randint(1, 4, (photos,), generator=random)
    vectors = torch.randn(photos, features, generator=random, dtype=torch.float64)
    return vectors + people[:, None] * torch.randn(features, generator=random), people, cameras


def by_pairs(vectors, people, cameras):
    """Both covariances, pair by pair."""
    sums = {True: 0.0, False: 0.0}
    counts = {True: 0, False: 0}
    for i in range(len(vectors)):
        for j in range(len(vectors)):
            same = bool(people[i] == people[j])
            if i == j or (same and cameras[i] == cameras[j]):
                continue
            difference = vectors[i] - vectors[j]
            sums[same] = sums[same] + difference[:, None] * difference
            counts[same] += 1
    found = []
    for same in (True, False):
        covariance = sums[same] / counts[same]
        ridge = RIDGE * covariance.diagonal().mean()
        found.append(covariance + ridge * torch.eye(len(covariance), dtype=torch.float64))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sums_over_groups_are_sums_over_pairs(seed):
    vectors, people, cameras = training_set(seed)
    scatter = pair_scatter(vectors, people, cameras)
    same, other = by_pairs(vectors, people, cameras)
    torch.testing.assert_close(scatter.same, same, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(scatter.other, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_kissme_is_its_definition(seed):
    vectors, people, cameras = training_set(seed)
    same, other = by_pairs(vectors, people, cameras)
    metric = torch.linalg.inv(same) - torch.linalg.inv(other)
    values, axes = torch.linalg.eigh(metric)
    metric = axes @ torch.diag(values.clamp(min=0)) @ axes.T
    distance = Kissme()
    distance.fit(vectors, people, cameras)
    query, gallery = vectors[:3], vectors[3:8]
    found = distance(query, gallery)
    for i in range(3):
        for j in range(5):
            d = query[i] - gallery[j]
            assert found[i, j].item() == pytest.approx((d @ metric @ d).item(), rel=1e-9, abs=1e-12)


def test_kissme_on_fewer_components_is_its_definition_on_them():
    vectors, people, cameras = training_set(features=12)
    centred = vectors - vectors.mean(dim=0)
    reduced = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:5].T
    same, other = by_pairs(reduced, people, cameras)
    values, axes = torch.linalg.eigh(torch.linalg.inv(same) - torch.linalg.inv(other))
    assert values[0] < 0  # so that something is cut off
    metric = axes @ torch.diag(values.clamp(min=0)) @ axes.T
    distance = Kissme(dimensions=5)
    distance.fit(vectors, people, cameras)
    difference = reduced[:3, None] - reduced[3:8]
    expected = torch.einsum("qgi,ij,qgj->qg", difference, metric, difference)
    torch.testing.assert_close(distance(vectors[:3], vectors[3:8]), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_xqda_is_its_definition(seed):
    linalg = pytest.importorskip("scipy.linalg")
    vectors, people, cameras = training_set(seed)
    same, other = by_pairs(vectors, people, cameras)
    values, axes = linalg.eigh(other.numpy(), same.numpy())
    w = torch.from_numpy(axes[:, values > 1])
    assert 0 < w.shape[1] <= 6
    metric = torch.linalg.inv(w.T @ same @ w) - torch.linalg.inv(w.T @ other @ w)
    distance = DISTANCES["xqda"]()
    distance.fit(vectors, people, cameras)
    found = distance(vectors[:3], vectors[3:8])
    for i in range(3):
        for j in range(5):
            d = w.T @ (vectors[i] - vectors[3 + j])
            assert found[i, j].item() == pytest.approx((d @ metric @ d).item(), rel=1e-9, abs=1e-12)


def shifted_by_cameras(people, seed):
    """People differ a little in two directions; cameras, far more, in a third."""
    random = torch.Generator().manual_seed(seed)
    who = torch.arange(people).repeat_interleave(4)
    cameras = torch.arange(4 * people) % 4 + 1
    selves = torch.randn(people, 2, generator=random)
    own = selves[who] + 0.05 * torch.randn(len(who), 2, generator=random)
    view = 20.0 * cameras[:, None] + 5 * torch.randn(len(who), 1, generator=random)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=random))[0]
    return torch.cat([own, view], dim=1) @ turn, who, cameras


def rank1(distance, vectors, who, cameras):
    d = distance(vectors, vectors)
    junk = (who[:, None] == who) & (cameras[:, None] == cameras)
    nearest = d.masked_fill(junk, torch.inf).argmin(dim=1)
    return (who[nearest] == who).float().mean().item()


@pytest.mark.parametrize("name", LEARNT)
def test_a_nuisance_that_defeats_plain_distances_is_learnt_away(name):
    # The same turn of the axes for those who teach and those who are searched for.
    vectors, who, cameras = shifted_by_cameras(80, seed=1)
    teach, test = who < 40, who >= 40
    distance = DISTANCES[name]()
    distance.fit(vectors[teach], who[teach], cameras[teach])
    learnt = rank1(distance, vectors[test], who[test], cameras[test])
    plain = rank1(DISTANCES["euclidean"](), vectors[test], who[test], cameras[test])
    assert plain < 0.3
    assert learnt > 0.9


def test_plain_distances_are_their_definitions():
    query, gallery = torch.randn(4, 5), torch.randn(6, 5)
    euclidean = DISTANCES["euclidean"]()(query, gallery)
    cosine = DISTANCES["cosine"]()(query, gallery)
    for i in range(4):
        for j in range(6):
            length = (query[i] - gallery[j]).square().sum().sqrt()
            torch.testing.assert_close(euclidean[i, j], length)
            angle = F.cosine_similarity(query[i], gallery[j], dim=0)
            torch.testing.assert_close(cosine[i, j], 1 - angle)


@pytest.mark.parametrize("name", LEARNT)
def test_fewer_photos_than_features_still_give_numbers(name):
    vectors, people, cameras = training_set(photos=20, features=64)
    distance = DISTANCES[name]()
    distance.fit(vectors, people, cameras)
    found = distance(vectors[:4], vectors)
    assert found.isfinite().all()
    assert (found.argmin(dim=1) == torch.arange(4)).all()


@pytest.mark.parametrize("name", LEARNT)
def test_one_camera_or_one_person_teaches_nothing(name):
    vectors, people, cameras = training_set()
    distance = DISTANCES[name]()
    with pytest.raises(InputError, match="two cameras"):
        distance.fit(vectors, people, torch.ones_like(cameras))
    with pytest.raises(InputError, match="two cameras"):
        distance.fit(vectors, torch.arange(len(vectors)), cameras)
    with pytest.raises(InputError, match="two training identities"):
        distance.fit(vectors, torch.zeros_like(people), cameras)


@pytest.mark.parametrize("name", LEARNT)
def test_vectors_that_never_differ_teach_nothing(name):
    random = torch.Generator().manual_seed(0)
    people, cameras = torch.arange(10).repeat_interleave(4), torch.arange(40) % 2 + 1
    views_alike = F.normalize(torch.randn(10, 6, generator=random), dim=1)[people]
    distance = DISTANCES[name]()
    for vectors in (views_alike, views_alike[:1].expand(40, 6)):
        with pytest.raises(InputError, match="need them to differ"):
            distance.fit(vectors, people, cameras)


@pytest.mark.parametrize("name", DISTANCES)
def test_every_distance_keeps_the_interface(name):
    distance = DISTANCES[name]()
    assert isinstance(distance, Distance)
    assert distance.trainable == (name in LEARNT)
    distance.fit(*training_set())
    assert distance(torch.randn(2, 6), torch.randn(3, 6)).shape == (2, 3)
