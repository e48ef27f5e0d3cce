"""How long ranking takes at the size of Market-1501, beside sorting the whole gallery.

3,368 queries, 15,913 photos, of which 2,798 are distractors, vectors of 256 numbers drawn at random
around 750 people. Every number is the best of three, all in one run, as wall time and as CPU
time, which other jobs on the machine hardly affect:

    python benchmarks/reid_ranking.py --json reid_ranking.json

Ranking is timed with hardly a tie and with similarities of two decimals, where most matches have
one. scikit-learn's average precision is called per query, for the first 200.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import tyro
from sklearn.metrics import average_precision_score

from deformgan.files import write_json
from deformgan.metrics.ranking import rank_gallery
from deformgan.provenance import provenance
from deformgan.reid.distances import DISTANCES
from deformgan.reid.rerank import k_reciprocal_distance

QUERIES, PEOPLE, DISTRACTORS, MATCHES, FEATURES, CAMERAS = 3_368, 750, 2_798, 13_115, 256, 6


def main(json: Path, threads: tuple[int, ...] = (1, 2), rerank: int = 6_000) -> None:
    """Time it.

    Args:
        json: Where to write.
        threads: Of torch.
        rerank: How many photos of the gallery to re-rank 1,000 queries in; 0 for none.
    """
    torch.manual_seed(0)
    centres = torch.randn(PEOPLE, FEATURES)
    who = torch.randint(PEOPLE, (QUERIES,))
    others = torch.cat([torch.randint(PEOPLE, (MATCHES,)), torch.full((DISTRACTORS,), -1)])
    seen_by, taken_by = (torch.randint(CAMERAS, (len(part),)) for part in (who, others))
    query = centres[who] + 2 * torch.randn(QUERIES, FEATURES)
    gallery = 2 * torch.randn(len(others), FEATURES)
    gallery[:MATCHES] += centres[others[:MATCHES]]
    same = who[:, None] == others
    junk = same & (seen_by[:, None] == taken_by)
    found: dict[str, Any] = {"times": {}, **provenance()}
    for count in threads:
        torch.set_num_threads(count)
        similarity = 1 - DISTANCES["cosine"]()(query, gallery)
        rounded = (100 * similarity).round() / 100
        times = {
            "cosine": best(lambda: DISTANCES["cosine"]()(query, gallery)),
            "ranking": best(lambda s=similarity: rank_gallery(s, same, junk)),
            "ranking_with_ties": best(lambda s=rounded: rank_gallery(s, same, junk)),
            "full_sort": best(lambda s=similarity: full_sort(s, same, junk)),
            "scikit_learn_200": best(
                lambda s=similarity: scikit_learn(s[:200], same[:200], junk[:200])
            ),
        }
        found["times"][f"{count} threads"] = times
        for name, seconds in times.items():
            print(f"{count} threads: {name:18}", {k: round(v, 3) for k, v in seconds.items()})
        found["largest_difference"] = {
            "full_sort": difference(similarity, same, junk, full_sort),
            "full_sort_with_ties": difference(rounded, same, junk, full_sort),
            "scikit_learn_200": difference(similarity[:200], same[:200], junk[:200], scikit_learn),
        }
    print("largest differences of average precision:", found["largest_difference"])
    if rerank:
        seconds = best(lambda: k_reciprocal_distance(query[:1_000], gallery[:rerank]), repeats=1)
        found["rerank"] = {"queries": 1_000, "gallery": rerank, **seconds}
        print("re-ranking:", found["rerank"])
    write_json(json, found)


def full_sort(similarity: torch.Tensor, same: torch.Tensor, junk: torch.Tensor) -> torch.Tensor:
    """The usual way: the whole gallery in order, then average precision."""
    order = similarity.masked_fill(junk, -torch.inf).argsort(dim=1, descending=True, stable=True)
    match = (same & ~junk).gather(1, order)
    match = match[match.any(dim=1)].double()
    place = torch.arange(1, match.shape[1] + 1)
    return (match.cumsum(dim=1) / place * match).sum(dim=1) / match.sum(dim=1)


def scikit_learn(similarity: torch.Tensor, same: torch.Tensor, junk: torch.Tensor) -> torch.Tensor:
    """Another implementation of average precision, query by query."""
    found = []
    for near, right, out in zip(similarity, same, junk, strict=True):
        if (right & ~out).any():
            found.append(average_precision_score(right[~out].numpy(), near[~out].numpy()))
    return torch.tensor(found, dtype=torch.float64)


def difference(
    similarity: torch.Tensor,
    same: torch.Tensor,
    junk: torch.Tensor,
    other: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
) -> float:
    """Return the largest difference of a query's average precision."""
    precision = rank_gallery(similarity, same, junk).precision
    return (precision - other(similarity, same, junk)).abs().max().item()


def best(work: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """Return the least wall time and CPU time of several runs, in seconds."""
    clock, processor = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return {"seconds": min(clock), "cpu_seconds": min(processor)}


if __name__ == "__main__":
    tyro.cli(main)
