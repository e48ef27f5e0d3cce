"""Ranking: rank-1 and average precision against their definition in slow loops."""

import pytest
import torch

from deformgan.metrics.ranking import first_of_each, rank_gallery


def by_definition(similarity, same, junk):
    """Walks down every query's list, photo by photo."""
    first, precision = {}, {}
    for query in range(len(similarity)):
        kept = [photo for photo in range(similarity.shape[1]) if not junk[query, photo]]
        kept.sort(key=lambda photo: -similarity[query, photo].item())
        hits = [bool(same[query, photo]) for photo in kept]
        if any(hits):
            first[query] = float(hits[0])
            at = [place for place, hit in enumerate(hits, 1) if hit]
            precision[query] = sum(number / place for number, place in enumerate(at, 1)) / len(at)
    return first, precision


@pytest.mark.parametrize("seed", range(3))
def test_matches_the_definition(seed):
    random = torch.Generator().manual_seed(seed)
    people = torch.randint(6, (30,), generator=random)
    cameras = torch.randint(3, (30,), generator=random)
    similarity = torch.rand(30, 30, generator=random)
    same = people[:, None] == people
    junk = same & (cameras[:, None] == cameras)
    ranking = rank_gallery(similarity, same, junk)
    first, precision = by_definition(similarity, same, junk)
    assert ranking.asked.tolist() == list(first)
    assert ranking.first.tolist() == list(first.values())
    assert ranking.precision.tolist() == pytest.approx(list(precision.values()), abs=1e-12)


def test_photos_of_the_same_camera_neither_help_nor_hurt():
    similarity = torch.tensor([[0.9, 0.5, 0.4]])
    same = torch.tensor([[True, False, True]])
    with_junk = rank_gallery(similarity, same, torch.tensor([[True, False, False]]))
    without = rank_gallery(similarity[:, 1:], same[:, 1:], torch.zeros(1, 2, dtype=torch.bool))
    assert with_junk.means() == without.means() == {"rank1": 0.0, "map": 0.5, "queries": 1}


def test_a_query_without_a_match_is_not_counted():
    same = torch.tensor([[False, False], [True, False]])
    ranking = rank_gallery(torch.rand(2, 2), same, torch.zeros_like(same))
    assert ranking.asked.tolist() == [1]


def test_queries_are_the_first_photos_of_every_person_by_every_camera():
    people = torch.tensor([0, 0, 0, 1, 1, 0])
    cameras = torch.tensor([1, 1, 2, 1, 1, 2])
    assert first_of_each(people, cameras).tolist() == [True, False, True, True, False, False]
