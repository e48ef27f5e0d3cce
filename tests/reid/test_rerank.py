"""Re-ranking against the paper's steps with sets of photos, one by one."""

import math

import pytest
import torch

from deformgan.reid.rerank import k_reciprocal_distance


def by_definition(query, gallery, k1, k2, weight):
    """Return the distances of queries to gallery."""
    asked = len(query)
    return all_by_definition(torch.cat([query, gallery]), k1, k2, weight)[:asked, asked:]


def all_by_definition(photos, k1, k2, weight):
    """Zhong et al.'s equations with Python's sets, for all pairs of photos."""
    x = photos.double()
    n = len(x)
    d = [[float((x[i] - x[j]).square().sum()) for j in range(n)] for i in range(n)]
    d = [[value / max(row) for value in row] for row in d]
    order = [sorted(range(n), key=lambda j, i=i: (j != i, d[i][j])) for i in range(n)]

    def mutual(i, k):
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    described = []
    for i in range(n):
        members = mutual(i, k1)
        for j in mutual(i, k1):
            theirs = mutual(j, round(k1 / 2))
            if len(theirs & mutual(i, k1)) > 2 / 3 * len(theirs):
                members |= theirs
        weights = {j: math.exp(-d[i][j]) for j in members}
        described.append({j: w / sum(weights.values()) for j, w in weights.items()})
    averaged = []
    for i in range(n):
        mean = {}
        for j in order[i][:k2]:
            for member, value in described[j].items():
                mean[member] = mean.get(member, 0.0) + value / k2
        averaged.append(mean)
    found = torch.empty(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            low = sum(min(v, averaged[j].get(m, 0.0)) for m, v in averaged[i].items())
            high = sum(
                max(averaged[i].get(m, 0.0), averaged[j].get(m, 0.0))
                for m in averaged[i].keys() | averaged[j].keys()
            )
            found[i, j] = (1 - weight) * (1 - low / high) + weight * d[i][j]
    return found


@pytest.mark.parametrize(("k1", "k2", "weight"), [(8, 3, 0.3), (5, 1, 0.0), (4, 2, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_matches_the_definition(seed, k1, k2, weight):
    random = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(6, 5, generator=random)
    query = centres[torch.arange(7) % 6] + torch.randn(7, 5, generator=random)
    gallery = centres[torch.arange(30) % 6] + torch.randn(30, 5, generator=random)
    found = k_reciprocal_distance(query, gallery, k1, k2, weight)
    expected = by_definition(query, gallery, k1, k2, weight)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)


def test_the_whole_weight_on_distances_gives_distances():
    query, gallery = torch.randn(4, 3), torch.randn(20, 3)
    found = k_reciprocal_distance(query, gallery, weight=1.0)
    everybody = torch.cat([query, gallery])
    squared = torch.cdist(query, everybody).square()
    expected = squared[:, 4:] / squared.amax(dim=1, keepdim=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_neighbours_repair_a_wrong_first_place():
    # The query lies a little nearer to a stranger, but its own people are in a row behind it.
    own = torch.tensor([[0.0, 1.0], [0.1, 1.3], [0.0, 1.6], [-0.1, 1.9]])
    strangers = torch.tensor([[0.95, 0.0], [1.3, -0.4], [1.5, -0.1], [1.7, -0.6], [1.6, -0.9]])
    query = torch.tensor([[0.0, 0.0], [0.05, 0.5]])  # the second query is the same person
    gallery = torch.cat([own, strangers])
    plain = torch.cdist(query, gallery)[0]
    assert plain.argmin() == 4
    found = k_reciprocal_distance(query, gallery, k1=4, k2=2)[0]
    assert found.argmin() == 0


@pytest.mark.parametrize("seed", range(3))
def test_people_far_apart_stay_in_the_same_order_of_people(seed):
    random = torch.Generator().manual_seed(seed)
    centres = 50 * torch.eye(6)
    query = centres + 0.1 * torch.randn(6, 6, generator=random)
    people = torch.arange(30) % 6
    gallery = centres[people] + 0.1 * torch.randn(30, 6, generator=random)
    found = k_reciprocal_distance(query, gallery, k1=5, k2=2)
    for person in range(6):
        first = found[person].argsort()[:5]
        assert set(first.tolist()) == set((people == person).nonzero()[:, 0].tolist())
        # Nobody of another person shares a neighbour: Jaccard's distance is 1, its largest.
        assert found[person, people != person].min() > 0.7 > found[person, first].max()


def test_no_square_matrix_of_all_photos_is_made(monkeypatch):
    sizes = []
    zeros, empty = torch.zeros, torch.empty
    monkeypatch.setattr(torch, "zeros", lambda *n, **k: sizes.append(n) or zeros(*n, **k))
    monkeypatch.setattr(torch, "empty", lambda *n, **k: sizes.append(n) or empty(*n, **k))
    k_reciprocal_distance(torch.randn(5, 3), torch.randn(40, 3))
    assert (5, 40) in sizes
    assert all(len(size) < 2 or size == (5, 40) for size in sizes)


def test_blocks_do_not_matter(monkeypatch):
    torch.manual_seed(0)
    query, gallery = torch.randn(9, 4), torch.randn(25, 4)
    whole = k_reciprocal_distance(query, gallery)
    monkeypatch.setattr("deformgan.reid.rerank.BLOCK", 4)
    torch.testing.assert_close(k_reciprocal_distance(query, gallery), whole)


def test_fewer_photos_than_neighbours_are_no_error():
    found = k_reciprocal_distance(torch.randn(1, 4), torch.randn(3, 4))
    assert found.isfinite().all()
    twins = k_reciprocal_distance(torch.ones(2, 4), torch.ones(3, 4))
    assert twins.isfinite().all()


def shared_photos(seed):
    """Return queries, a gallery that contains some of them, and where."""
    random = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(5, 4, generator=random)
    gallery = centres[torch.arange(24) % 5] + torch.randn(24, 4, generator=random)
    others = centres[torch.arange(3)] + torch.randn(3, 4, generator=random)
    same = torch.tensor([7, -1, 0, 23, -1, -1])
    query = gallery[same]
    query[same < 0] = others
    return query, gallery, same


@pytest.mark.parametrize("seed", range(3))
def test_a_query_of_the_gallery_is_one_neighbour(seed):
    query, gallery, same = shared_photos(seed)
    found = k_reciprocal_distance(query, gallery, 8, 3, 0.3, same)
    # By definition on the unique photos, where the gallery's own ask beside the other queries.
    everybody = torch.cat([query[same < 0], gallery])
    node = [3 + row if row >= 0 else int((same[:place] < 0).sum())
            for place, row in enumerate(same.tolist())]  # fmt: skip
    expected = all_by_definition(everybody, 8, 3, 0.3)[node][:, 3:]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
    twice = k_reciprocal_distance(query, gallery, 8, 3, 0.3)
    assert (twice - found).abs().max() > 0.01


def test_without_shared_photos_nothing_changes():
    query, gallery, same = shared_photos(0)
    plain = k_reciprocal_distance(query, gallery)
    assert torch.equal(k_reciprocal_distance(query, gallery, same=torch.full_like(same, -1)), plain)


def test_a_whole_gallery_can_ask():
    _, gallery, _ = shared_photos(1)
    found = k_reciprocal_distance(gallery, gallery, 8, 3, 0.3, torch.arange(24))
    expected = all_by_definition(gallery, 8, 3, 0.3)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)


def test_blocks_do_not_matter_to_shared_photos(monkeypatch):
    query, gallery, same = shared_photos(2)
    whole = k_reciprocal_distance(query, gallery, same=same)
    monkeypatch.setattr("deformgan.reid.rerank.BLOCK", 4)
    torch.testing.assert_close(k_reciprocal_distance(query, gallery, same=same), whole)
