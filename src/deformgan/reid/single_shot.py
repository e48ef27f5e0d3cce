"""The single-shot protocol: one gallery photo per person by one of two cameras."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.errors import InputError
from deformgan.metrics.ranking import Ranking, rank_gallery
from deformgan.reid.augmenter import generator_of
from deformgan.reid.distances import Distance
from deformgan.reid.distances.cosine import Cosine
from deformgan.reid.evaluate import WHAT, number_together
from deformgan.reid.person_photos import PersonPhotos
from deformgan.reid.rerank import k_reciprocal_distance
from deformgan.stats.bootstrap import bootstrap_interval

REPEATS = 20
METRICS = ("rank1", "rank5", "rank10", "rank20", "map")


@dataclass(frozen=True)
class SingleShot:
    """The photos of a single-shot evaluation.

    Attributes:
        queries: Rows of all photos by the first camera.
        drawn: For every repeat, the row of one photo by the second camera of every person who has
            one, in the order of the people's names.
        people: Number of every photo's person.
    """

    queries: Int64[Tensor, "queries"]
    drawn: Int64[Tensor, "repeats gallery"]
    people: Int64[Tensor, "photos"]

    @staticmethod
    def draw(photos: PersonPhotos, repeats: int = REPEATS, seed: int = 0) -> "SingleShot":
        """Draw the gallery of every repeat.

        Args:
            photos: All photos of the test people, each once. A photo drawn for a person depends on
                the seed, the repeat and this person's file names alone.
            repeats: Number of galleries.
            seed: Random seed.

        Raises:
            InputError: Unless the photos are by exactly two cameras, and somebody was seen by both.
        """
        if repeats < 1:
            raise InputError(f"--repeats is {repeats}; it must be at least 1.")
        cameras = photos.cameras.unique().tolist()
        if len(cameras) != 2:
            raise InputError(
                f"The protocol single-shot is for photos by two cameras, as in CUHK03; these are "
                f"by {len(cameras)}."
            )
        people, _ = number_together(photos.identities, [])
        asking, shown = ((photos.cameras == camera).nonzero()[:, 0] for camera in cameras)
        choices: dict[int, list[int]] = {}
        for row in sorted(shown.tolist(), key=lambda row: photos.names[row]):
            choices.setdefault(int(people[row]), []).append(row)
        if not set(choices) & set(people[asking].tolist()):
            raise InputError("Nothing to score: nobody was seen by both cameras.")
        drawn = [
            [rows[_draw(len(rows), seed, repeat, photos.names[rows[0]])] for rows in of_each]
            for repeat in range(repeats)
            for of_each in [[choices[who] for who in sorted(choices)]]
        ]
        return SingleShot(asking, torch.tensor(drawn), people)

    def matches(self, repeat: int) -> Bool[Tensor, "queries gallery"]:
        """Return which photo of a repeat's gallery shows the person of each query."""
        return self.people[self.queries][:, None] == self.people[self.drawn[repeat]]


@dataclass(frozen=True)
class SingleShotResult:
    """Result of a single-shot evaluation.

    Attributes:
        rankings: One per repeat; all of the same queries.
        reranked: The same after re-ranking; None without re-ranking.
        counts: Numbers of queries, people in the gallery and repeats.
        people: Identity of each query that has a match.
    """

    rankings: list[Ranking]
    reranked: list[Ranking] | None
    counts: dict[str, int | float]
    people: list[str]

    def report(self) -> dict[str, Any]:
        """Return metrics and counts in the form of `ReidResult.report`.

        Values are means over repeats, and "sd" is the standard deviation over them. The 95 %
        intervals account for the choice of query identities.
        """
        return {
            "metrics": self._metrics(self.rankings),
            "reranked": None if self.reranked is None else self._metrics(self.reranked),
            "counts": self.counts,
        }

    def _metrics(self, rankings: list[Ranking]) -> dict[str, dict[str, Any]]:
        means = [ranking.means() for ranking in rankings]
        metrics: dict[str, dict[str, Any]] = {}
        for name in METRICS:
            values = torch.tensor([mean[name] for mean in means], dtype=torch.float64)
            metrics[name] = {"value": values.mean().item(), "what": WHAT[name]}
            if len(values) > 1:
                metrics[name]["sd"] = values.std().item()
        first = torch.stack([(ranking.first_place == 1).double() for ranking in rankings])
        precision = torch.stack([ranking.precision for ranking in rankings])
        for name, of_queries in (("rank1", first), ("map", precision)):
            interval = bootstrap_interval(of_queries.mean(dim=0), clusters=self.people)
            metrics[name]["ci95"] = list(interval)
        return metrics


def evaluate_single_shot(
    vectors: Float[Tensor, "photos features"],
    photos: PersonPhotos,
    *,
    queries: Float[Tensor, "photos features"] | None = None,
    distance: Distance | None = None,
    rerank: bool = False,
    repeats: int = REPEATS,
    seed: int = 0,
) -> SingleShotResult:
    """Search every photo by the first camera among one photo per person by the second.

    The gallery is drawn anew for every repeat. With one match per query, the average precision is 1
    over its rank.

    Args:
        vectors: Embeddings of the photos.
        photos: All photos of the test people, by two cameras.
        queries: Embeddings of the photos as queries, if they differ (multi-query).
        distance: Distance, already fitted if it is a learned one; defaults to cosine.
        rerank: Whether to also evaluate k-reciprocal re-ranking, by Euclidean distance.
        repeats: Number of galleries.
        seed: Random seed for these.

    Source:
        Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-Identification", CVPR
        2014. They also draw the test people anew; here these are the data set's.
    """
    shot = SingleShot.draw(photos, repeats, seed)
    asking = (vectors if queries is None else queries)[shot.queries]
    everybody = (distance or Cosine())(asking, vectors)

    def rank(of_gallery: Callable[[Tensor], Tensor]) -> list[Ranking]:
        rankings = []
        for repeat, rows in enumerate(shot.drawn):
            same = shot.matches(repeat)
            rankings.append(rank_gallery(-of_gallery(rows), same, torch.zeros_like(same)))
        return rankings

    rankings = rank(lambda rows: everybody[:, rows])
    reranked = None
    if rerank:
        reranked = rank(lambda rows: k_reciprocal_distance(asking, vectors[rows]))
    asked = shot.queries[rankings[0].asked].tolist()
    counts: dict[str, int | float] = {
        "queries": len(shot.queries),
        "queries_without_match": len(shot.queries) - len(asked),
        "gallery": shot.drawn.shape[1],
        "repeats": repeats,
    }
    people = [photos.identities[row] for row in asked]
    return SingleShotResult(rankings, reranked, counts, people)


def _draw(count: int, *what: object) -> int:
    return int(torch.randint(count, (1,), generator=generator_of("single-shot", *what)))
