"""The single-shot protocol against its definition in loops."""

from pathlib import Path

import pytest
import torch

from deformgan.errors import InputError
from deformgan.reid.evaluate import average_queries
from deformgan.reid.person_photos import PersonPhotos, join_people
from deformgan.reid.rerank import k_reciprocal_distance
from deformgan.reid.single_shot import METRICS, SingleShot, evaluate_single_shot


def photos(*shown):
    """Make photos of (identity, camera)."""
    names = [f"{who}_{row:02d}_c{camera}.jpg" for row, (who, camera) in enumerate(shown)]
    cameras = torch.tensor([camera for _, camera in shown])
    return PersonPhotos(names, [Path(name) for name in names], [who for who, _ in shown], cameras)


@pytest.fixture
def people():
    """Fifteen people by two cameras; one was not seen by the first, one not by the second."""
    shown = [(f"{who:04d}", camera) for who in range(15) for camera in (1, 2) for _ in range(4)]
    return photos(*(one for one in shown if one not in (("0003", 1), ("0008", 2))))


def vectors_of(people, noise=1.2):
    random = torch.Generator().manual_seed(1)
    centres = torch.randn(15, 6, generator=random)
    rows = torch.tensor([int(who) for who in people.identities])
    return centres[rows] + noise * torch.randn(len(rows), 6, generator=random)


def test_a_gallery_has_one_photo_of_everybody_by_the_second_camera(people):
    shot = SingleShot.draw(people, 30)
    assert [people.cameras[row].item() for row in shot.queries] == [1] * 56
    everybody = [who for who in sorted(set(people.identities)) if who != "0008"]
    for rows in shot.drawn.tolist():
        assert [people.identities[row] for row in rows] == everybody
        assert all(people.cameras[row] == 2 for row in rows)
    # Every photo is drawn in some repeat, at that chance of 14 in 10,000 people missed.
    assert len(shot.drawn.unique()) == 14 * 4


def test_a_draw_depends_on_seed_and_person_and_not_on_others_or_their_order(people):
    def drawn(some, seed=0):
        return [{some.names[row] for row in rows} for rows in SingleShot.draw(some, 5, seed).drawn]

    whole = drawn(people)
    assert drawn(people) == whole != drawn(people, 1)
    assert len({frozenset(names) for names in whole}) == 5
    assert drawn(people.take(torch.arange(len(people)).flip(0))) == whole
    few = people.take(torch.tensor([r for r, who in enumerate(people.identities) if who < "0005"]))
    for all_names, some in zip(whole, drawn(few), strict=True):
        assert some == {name for name in all_names if name < "0005"}


@pytest.mark.parametrize("rerank", [False, True])
def test_metrics_are_those_of_slow_loops(people, rerank):
    vectors = vectors_of(people)
    result = evaluate_single_shot(vectors, people, rerank=rerank, repeats=4, seed=3)
    shot = SingleShot.draw(people, 4, 3)
    queries = [row for row in range(len(people)) if people.cameras[row] == 1]
    found = {name: [] for name in METRICS}
    for rows in shot.drawn.tolist():
        firsts = []
        again = k_reciprocal_distance(vectors[queries], vectors[rows])
        for place, query in enumerate(queries):
            far = [
                again[place, column].item()
                if rerank
                else 1 - torch.cosine_similarity(vectors[query], vectors[row], dim=0).item()
                for column, row in enumerate(rows)
            ]
            mine = [r for r in rows if people.identities[r] == people.identities[query]]
            if mine:
                own = far[rows.index(mine[0])]
                firsts.append(1 + sum(other < own for other in far))
        for rank in (1, 5, 10, 20):
            found[f"rank{rank}"].append(sum(f <= rank for f in firsts) / len(firsts))
        found["map"].append(sum(1 / f for f in firsts) / len(firsts))
    report = result.report()
    metrics = report["reranked" if rerank else "metrics"]
    for name, values in found.items():
        mean = sum(values) / 4
        assert metrics[name]["value"] == pytest.approx(mean, abs=1e-9)
        sd = (sum((value - mean) ** 2 for value in values) / 3) ** 0.5
        assert metrics[name]["sd"] == pytest.approx(sd, abs=1e-9)
    assert metrics["rank1"]["ci95"][0] <= metrics["rank1"]["value"] <= metrics["rank1"]["ci95"][1]
    assert 0.1 < metrics["rank1"]["value"] < 0.95
    assert report["counts"] == {
        "queries": 56,
        "queries_without_match": 4,  # of 0008
        "gallery": 14,
        "repeats": 4,
    }


def test_people_told_apart_are_found_in_every_gallery(people):
    result = evaluate_single_shot(vectors_of(people, noise=0.0), people)
    metrics = result.report()["metrics"]
    assert all(metric["value"] == 1 and metric["sd"] == 0 for metric in metrics.values())
    assert result.report()["reranked"] is None


def test_queries_can_be_means_of_a_persons_photos(people):
    vectors = vectors_of(people)
    means = average_queries(vectors, people, vectors, people)
    one = evaluate_single_shot(vectors, people).report()["metrics"]["map"]["value"]
    many = evaluate_single_shot(vectors, people, queries=means).report()["metrics"]["map"]["value"]
    assert many > one


def test_photos_of_both_lists_are_taken_once_and_nobodies_not_at_all():
    everybody = photos(("-1", 1), ("0000", 2), ("0002", 1), ("0002", 2), ("0007", 1))
    joined = join_people(everybody.take(torch.tensor([2, 3])), everybody)
    assert sorted(joined.names) == everybody.names[2:]
    with pytest.raises(InputError, match="show anybody"):
        join_people(everybody.take(torch.tensor([0])), everybody.take(torch.tensor([1])))


@pytest.mark.parametrize(
    ("shown", "repeats", "sentence"),
    [
        ([("1", 1), ("1", 2), ("1", 3)], 20, "two cameras, as in CUHK03; these are by 3"),
        ([("1", 1)], 20, "these are by 1"),
        ([("1", 1), ("2", 2)], 20, "nobody was seen by both cameras"),
        ([("1", 1), ("1", 2)], 0, "--repeats is 0; it must be at least 1"),
    ],
)
def test_other_photos_are_refused(shown, repeats, sentence):
    with pytest.raises(InputError, match=sentence):
        SingleShot.draw(photos(*shown), repeats)
