"""Re-ID evaluation: how well people are retrieved from a gallery."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.datasets.nobody import JUNK
from deformgan.errors import InputError
from deformgan.metrics.ranking import Ranking, rank_gallery
from deformgan.reid.distances import Distance
from deformgan.reid.distances.cosine import Cosine
from deformgan.reid.features import NetworkFeatures
from deformgan.reid.person_photos import PersonPhotos
from deformgan.reid.rerank import k_reciprocal_distance
from deformgan.stats.bootstrap import bootstrap_interval

WHAT = {
    "rank1": "fraction of queries whose nearest photo is a match",
    "rank5": "fraction of queries with a match among the 5 nearest photos",
    "rank10": "fraction of queries with a match among the 10 nearest photos",
    "rank20": "fraction of queries with a match among the 20 nearest photos",
    "map": "mean average precision: mean over queries of the mean precision at their matches",
    "map_trapezoid": "mean average precision by trapezoids (the benchmark's original code)",
    "minp": "mean inverse negative penalty: number of matches over the rank of the last",
}


@dataclass(frozen=True)
class Rules:
    """Which gallery photos count for which query.

    Attributes:
        same: Whether a gallery photo shows the query's identity; False for junk and distractor
            queries.
        junk: Whether a gallery photo is ignored: a junk box, or the same identity by the same
            camera, including the query itself.
    """

    same: Bool[Tensor, "queries gallery"]
    junk: Bool[Tensor, "queries gallery"]

    @staticmethod
    def of(query: PersonPhotos, gallery: PersonPhotos) -> "Rules":
        """Apply the standard protocol.

        Source:
            Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
        """
        people, others = number_together(query.identities, gallery.identities)
        somebody = torch.tensor([who not in query.nobody for who in query.identities])
        same = (people[:, None] == others) & somebody[:, None]
        boxes = torch.tensor(_is_junk(gallery))
        return Rules(same, (same & (query.cameras[:, None] == gallery.cameras)) | boxes)


@dataclass(frozen=True)
class ReidResult:
    """Result of a retrieval evaluation.

    Attributes:
        ranking: Ranking for every query that has a match.
        reranked: The same after re-ranking; None without re-ranking.
        counts: Numbers of queries, gallery photos and ignored photos.
        people: Identity of each query that has a match.
    """

    ranking: Ranking
    reranked: Ranking | None
    counts: dict[str, int | float]
    people: list[str]

    def report(self) -> dict[str, Any]:
        """Return metrics and counts as `reid evaluate` writes them.

        The 95 % intervals account for the choice of query identities.
        """
        return {
            "metrics": self._metrics(self.ranking),
            "reranked": None if self.reranked is None else self._metrics(self.reranked),
            "counts": self.counts,
        }

    def _metrics(self, ranking: Ranking) -> dict[str, dict[str, Any]]:
        if not self.people:
            return {name: {"value": None, "what": what} for name, what in WHAT.items()}
        metrics: dict[str, dict[str, Any]] = {
            name: {"value": value, "what": WHAT[name]} for name, value in ranking.means().items()
        }
        first = (ranking.first_place == 1).double()
        for name, values in (("rank1", first), ("map", ranking.precision)):
            metrics[name]["ci95"] = list(bootstrap_interval(values, clusters=self.people))
        return metrics


def check_scorable(query: PersonPhotos, gallery: PersonPhotos) -> None:
    """Check that a query has a match, before features are computed.

    Raises:
        InputError: If none has.
    """
    rules = Rules.of(query, gallery)
    if (rules.same & ~rules.junk).any():
        return
    if rules.same.any():
        raise InputError(
            "Nothing to score: every match is by the query's own camera, which the protocol "
            "ignores; queries and gallery need at least two cameras per person."
        )
    raise InputError("Nothing to score: no photo of the gallery shows the person of a query.")


def evaluate_vectors(
    query_vectors: Float[Tensor, "queries features"],
    gallery_vectors: Float[Tensor, "gallery features"],
    query: PersonPhotos,
    gallery: PersonPhotos,
    *,
    distance: Distance | None = None,
    rerank: bool = False,
    averaged: bool = False,
) -> ReidResult:
    """Rank the gallery for every query.

    Args:
        query_vectors: Embeddings of the queries.
        gallery_vectors: Embeddings of the gallery.
        query: Photos of the queries.
        gallery: Photos of the gallery.
        distance: Distance, already fitted if it is a learned one; defaults to cosine.
        rerank: Whether to also evaluate k-reciprocal re-ranking, by Euclidean distance. A query
            that is also in the gallery counts once as a neighbour.
        averaged: Whether query embeddings are means of several photos, as of `average_queries`, so
            that no query is itself in the gallery.
    """
    rules = Rules.of(query, gallery)
    distances = (distance or Cosine())(query_vectors, gallery_vectors)
    ranking = rank_gallery(-distances, rules.same, rules.junk)
    reranked = None
    if rerank:
        kept = ~torch.tensor(_is_junk(gallery))
        same = None if averaged else find_in_gallery(query, gallery.take(kept.nonzero()[:, 0]))
        again = k_reciprocal_distance(query_vectors, gallery_vectors[kept], same=same)
        reranked = rank_gallery(-again, rules.same[:, kept], rules.junk[:, kept])
    boxes = sum(_is_junk(gallery))
    left_out = (rules.same & rules.junk).sum(dim=1).double()
    counts: dict[str, int | float] = {
        "queries": len(query),
        "queries_without_match": len(query) - len(ranking.asked),
        "gallery": len(gallery) - boxes,
        "junk": boxes,
        "distractors": sum(who in gallery.nobody for who in gallery.identities) - boxes,
        "same_camera_per_query": left_out.mean().item(),
    }
    people = [query.identities[row] for row in ranking.asked.tolist()]
    return ReidResult(ranking, reranked, counts, people)


def find_in_gallery(query: PersonPhotos, gallery: PersonPhotos) -> Int64[Tensor, "queries"]:
    """Return the row of each query in the gallery, or -1 if its file is not there."""
    rows = {path.resolve(): row for row, path in enumerate(gallery.paths)}
    return torch.tensor([rows.get(path.resolve(), -1) for path in query.paths], dtype=torch.long)


def evaluate_model(
    extract: Callable[[Tensor], Tensor],
    query: PersonPhotos,
    gallery: PersonPhotos,
    *,
    distance: Distance | None = None,
    rerank: bool = False,
) -> ReidResult:
    """Evaluate a network that embeds uint8 RGB images; see `evaluate_vectors`."""
    features = NetworkFeatures("network", extract)
    vectors = [features(photos) for photos in (query, gallery)]
    return evaluate_vectors(*vectors, query, gallery, distance=distance, rerank=rerank)


def average_queries(
    query_vectors: Float[Tensor, "queries features"],
    query: PersonPhotos,
    more_vectors: Float[Tensor, "photos features"],
    more: PersonPhotos,
) -> Float[Tensor, "queries features"]:
    """Average each query's embedding with those of its identity by its camera (multi-query).

    Args:
        query_vectors: Embeddings of the queries.
        query: Photos of the queries.
        more_vectors: Embeddings of additional photos.
        more: Additional photos. The gallery can be used: what is averaged is junk for that query.
    """
    people, others = number_together(query.identities, more.identities)
    mine = (people[:, None] == others) & (query.cameras[:, None] == more.cameras)
    weights = mine.to(more_vectors.dtype)
    # A query that is not among the additional photos is added to the mean.
    first, second = number_together(query.names, more.names)
    own = (~torch.isin(first, second)).to(more_vectors.dtype)[:, None]
    total = weights @ more_vectors + own * query_vectors
    return total / (weights.sum(dim=1, keepdim=True) + own)


def _is_junk(photos: PersonPhotos) -> list[bool]:
    return [who == JUNK and JUNK in photos.nobody for who in photos.identities]


def number_together(
    one: list[str], other: list[str]
) -> tuple[Int64[Tensor, "_"], Int64[Tensor, "_"]]:
    """Map the identities of two lists to common numbers."""
    numbers = {who: number for number, who in enumerate(sorted({*one, *other}))}
    return (
        torch.tensor([numbers[who] for who in one], dtype=torch.long),
        torch.tensor([numbers[who] for who in other], dtype=torch.long),
    )
