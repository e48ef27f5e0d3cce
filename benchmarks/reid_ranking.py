"""How long ranking takes at the size of Market-1501, beside sorting the whole gallery.

3,368 queries, 15,913 photos, of which 2,798 are distractors, vectors of 256 numbers drawn at random
around 750 people. Every number is the best of three, all in one run:

    python benchmarks/reid_ranking.py --json reid_ranking.json
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import tyro

from deformgan.cli.outputs import write_json
from deformgan.metrics.ranking import rank_gallery
from deformgan.provenance import provenance
from deformgan.reid.distances import DISTANCES
from deformgan.reid.rerank import k_reciprocal_distance

QUERIES, PEOPLE, DISTRACTORS, MATCHES, FEATURES, CAMERAS = 3_368, 750, 2_798, 13_115, 256, 6


def main(json: Path, threads: tuple[int, ...] = (1, 2), rerank: int = 6_000) -> None:
    """Times it.

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
        times: dict[str, float] = {}
        similarity = 1 - DISTANCES["cosine"]()(query, gallery)
        times["cosine"] = best(lambda: DISTANCES["cosine"]()(query, gallery))
        times["ranking"] = best(lambda s=similarity: rank_gallery(s, same, junk))
        times["full_sort"] = best(lambda s=similarity: full_sort(s, same, junk))
        times["ratio_to_full_sort"] = times["ranking"] / times["full_sort"]
        mine, theirs = rank_gallery(similarity, same, junk), full_sort(similarity, same, junk)
        times["largest_difference"] = (mine.precision - theirs).abs().max().item()
        found["times"][f"{count} threads"] = times
        print(count, "threads:", {name: round(value, 4) for name, value in times.items()})
    if rerank:
        begun = time.perf_counter()
        k_reciprocal_distance(query[:1_000], gallery[:rerank])
        found["rerank"] = {
            "queries": 1_000,
            "gallery": rerank,
            "seconds": time.perf_counter() - begun,
        }
        print("re-ranking:", found["rerank"])
    write_json(json, found)


def full_sort(similarity: torch.Tensor, same: torch.Tensor, junk: torch.Tensor) -> torch.Tensor:
    """The usual way: the whole gallery in order, then average precision."""
    order = similarity.masked_fill(junk, -torch.inf).argsort(dim=1, descending=True, stable=True)
    match = (same & ~junk).gather(1, order)
    match = match[match.any(dim=1)].double()
    place = torch.arange(1, match.shape[1] + 1)
    return (match.cumsum(dim=1) / place * match).sum(dim=1) / match.sum(dim=1)


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """Gives the fewest seconds that some work took."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


if __name__ == "__main__":
    tyro.cli(main)
