"""Ranking: against its definition in slow loops, ties and junk and lack of matches included."""

import pytest
import torch

from deformgan.metrics.ranking import first_of_each, rank_gallery


def by_definition(similarity, same, junk):
    """Walk down every query's list, photo by photo, as the benchmark's own code counts."""
    found = {}
    for query in range(len(similarity)):
        kept = [photo for photo in range(similarity.shape[1]) if not junk[query, photo]]
        kept.sort(key=lambda photo: -similarity[query, photo].item())  # stable
        hits = [bool(same[query, photo]) for photo in kept]
        if not any(hits):
            continue
        total = sum(hits)
        seen, precision, area, old_recall, old_precision = 0, 0.0, 0.0, 0.0, 1.0
        for place, hit in enumerate(hits, 1):
            seen += hit
            precision += hit * seen / place / total
            area += (seen / total - old_recall) * (old_precision + seen / place) / 2
            old_recall, old_precision = seen / total, seen / place
        last = max(place for place, hit in enumerate(hits, 1) if hit)
        found[query] = (hits.index(True) + 1, precision, area, total / last)
    return found


@pytest.mark.parametrize("levels", [0, 3, 20])  # 0: hardly a tie; 3: hardly anything else
@pytest.mark.parametrize("people", [2, 6, 40])  # with 40 many queries have no match
@pytest.mark.parametrize("seed", range(3))
def test_matches_the_definition(seed, people, levels):
    random = torch.Generator().manual_seed(seed)
    query = torch.randint(people, (23,), generator=random)
    gallery = torch.randint(-1, people, (31,), generator=random)  # -1: nobody
    similarity = torch.randn(23, 31, generator=random)
    if levels:
        similarity = (similarity * levels / 3).round()
    same = query[:, None] == gallery
    junk = torch.rand(23, 31, generator=random) < 0.3
    ranking = rank_gallery(similarity, same, junk)
    expected = by_definition(similarity, same, junk)
    assert ranking.asked.tolist() == list(expected)
    found = zip(
        ranking.first_place.tolist(),
        ranking.precision.tolist(),
        ranking.precision_trapezoid.tolist(),
        ranking.inverse_negative_penalty.tolist(),
        strict=True,
    )
    for mine, theirs in zip(found, expected.values(), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-12)


def test_average_precision_is_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    random = torch.Generator().manual_seed(7)
    similarity = torch.randn(20, 200, generator=random)
    same = torch.rand(20, 200, generator=random) < 0.1
    same[:, 0] = True
    ranking = rank_gallery(similarity, same, torch.zeros_like(same))
    for query in range(20):
        expected = sklearn.average_precision_score(same[query].numpy(), similarity[query].numpy())
        assert ranking.precision[query].item() == pytest.approx(expected, abs=1e-12)


def test_blocks_of_queries_do_not_matter(monkeypatch):
    torch.manual_seed(0)
    similarity = torch.randn(23, 31)
    same, junk = torch.rand(23, 31) < 0.2, torch.rand(23, 31) < 0.2
    whole = rank_gallery(similarity, same, junk)
    monkeypatch.setattr("deformgan.metrics.ranking.BLOCK", 5)
    parts = rank_gallery(similarity, same, junk)
    for name in vars(whole):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_ranks_are_shares_of_the_queries_that_have_a_match():
    similarity = torch.arange(30.0, 0, -1).repeat(4, 1)
    same = torch.zeros(4, 30, dtype=torch.bool)
    same[0, 0] = same[1, 4] = same[2, 19] = True
    means = rank_gallery(similarity, same, torch.zeros_like(same)).means()
    assert [means[f"rank{k}"] for k in (1, 5, 10, 20)] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert means["map"] == pytest.approx((1 + 1 / 5 + 1 / 20) / 3)
    assert means["map_trapezoid"] == pytest.approx((1 + 1 / 10 + 1 / 40) / 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_similarities_that_are_no_numbers_are_refused(value):
    similarity = torch.rand(2, 3)
    similarity[1, 1] = value
    same = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="finite"):
        rank_gallery(similarity, same, ~same)


def test_nobody_to_search_for_gives_no_queries():
    same = torch.zeros(3, 4, dtype=torch.bool)
    assert len(rank_gallery(torch.rand(3, 4), same, same).asked) == 0


@pytest.mark.parametrize("size", [(0, 5), (3, 0)])
def test_an_empty_side_gives_no_queries(size):
    none = torch.zeros(size, dtype=torch.bool)
    assert len(rank_gallery(torch.rand(size), none, none).asked) == 0


def test_a_query_whose_matches_are_all_junk_is_not_asked():
    same = torch.ones(2, 4, dtype=torch.bool)
    junk = torch.tensor([[True] * 4, [True, True, True, False]])
    ranking = rank_gallery(torch.rand(2, 4), same, junk)
    assert ranking.asked.tolist() == [1]
    assert ranking.means()["map"] == ranking.means()["minp"] == 1


def test_one_photo_in_the_gallery_is_found_at_once():
    same = torch.ones(1, 1, dtype=torch.bool)
    means = rank_gallery(torch.rand(1, 1), same, ~same).means()
    assert set(means.values()) == {1.0}


def test_photos_equally_near_come_in_the_order_of_the_gallery():
    same = torch.tensor([[False, True, False, True]])
    ranking = rank_gallery(torch.zeros(1, 4), same, torch.zeros_like(same))
    assert ranking.first_place.tolist() == [2]
    assert ranking.precision.item() == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert ranking.inverse_negative_penalty.item() == 2 / 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_of_similarities_changes_nothing_but_their_ties(dtype):
    random = torch.Generator().manual_seed(3)
    similarity = torch.randn(20, 40, generator=random).to(dtype).requires_grad_()
    same = torch.rand(20, 40, generator=random) < 0.2
    junk = torch.rand(20, 40, generator=random) < 0.2
    ranking = rank_gallery(similarity, same, junk)
    assert ranking.precision.dtype == torch.float64
    expected = by_definition(similarity, same, junk)
    found = dict(zip(ranking.asked.tolist(), ranking.precision.tolist(), strict=True))
    assert found == pytest.approx({query: numbers[1] for query, numbers in expected.items()})


def test_photos_of_the_same_camera_neither_help_nor_hurt():
    similarity = torch.tensor([[0.9, 0.5, 0.4]])
    same = torch.tensor([[True, False, True]])
    with_junk = rank_gallery(similarity, same, torch.tensor([[True, False, False]]))
    without = rank_gallery(similarity[:, 1:], same[:, 1:], torch.zeros(1, 2, dtype=torch.bool))
    assert with_junk.means() == without.means()
    assert with_junk.means()["map"] == 0.5


def test_a_query_without_a_match_is_not_counted():
    same = torch.tensor([[False, False], [True, False]])
    ranking = rank_gallery(torch.rand(2, 2), same, torch.zeros_like(same))
    assert ranking.asked.tolist() == [1]


def test_queries_are_the_first_photos_of_every_person_by_every_camera():
    people = torch.tensor([0, 0, 0, 1, 1, 0])
    cameras = torch.tensor([1, 1, 2, 1, 1, 2])
    assert first_of_each(people, cameras).tolist() == [True, False, True, True, False, False]
