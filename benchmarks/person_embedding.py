"""Embeddings of people side by side: on real photos of people never trained on, on generated ones.

    python benchmarks/person_embedding.py --data ../shared/market1501 \
        --osnet ../shared/weights/osnet_x0_25_msmt17.onnx --json embedding.json

measures the bundled embedding, OSNet (trained by others on other people) and a histogram of colours
on the 100 test identities that `identity-split.json` names:

- search: the first photo of everybody by every camera asks for the others of that person; photos of
  the same camera do not count. Published Market-1501 numbers are on other people;
- cosine: of two photos of one person by different cameras, and of two people; how often the first
  is higher than the second;
- generated: the first pairs of `market_test_pairs.csv`, by the bundled `pedestrian`. The picture
  replaces the target photo as query; photos by the source's and the target's cameras do not count.
  Its embedding is also compared with that of the target photo.

OSNet is used for evaluation only, not for training or model selection.
"""

import sys
import time
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.checkpoint import load_generator
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.pairs import pair_rows, read_pairs
from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.evaluation.identity import Extractor
from deformgan.evaluation.pictures import generate_pictures
from deformgan.metrics.ranking import Ranking, first_of_each, rank_gallery
from deformgan.provenance import provenance
from deformgan.stats.bootstrap import bootstrap_interval

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.person_embedding import number_people

PAIR_LIST = Path(__file__).with_name("market_test_pairs.csv")
BINS = 6  # of the histogram, per channel

Embedding = Callable[[Tensor], Tensor]


def main(
    data: Path,
    weights: Path | None = None,
    osnet: Path | None = None,
    generator: str = "pedestrian",
    pairs: int = 300,
    json: Path | None = None,
) -> None:
    """Print how well embeddings tell people apart, with 95 % intervals over people.

    Args:
        data: Folder in Market-1501's layout, with `identity-split.json`.
        weights: Of the embedding; by default those that come with the package.
        osnet: The judge's ONNX file, measured beside it.
        generator: Bundled name or file of the generator of the pictures.
        pairs: How many pictures; 0 for none.
        json: Where to write the numbers.
    """
    torch.set_num_threads(1)
    people = Market1501(data, split="test")
    ours = load_person_embedding(weights)
    embeddings: dict[str, Embedding] = {"person_embedding": ours}
    if osnet is not None:
        embeddings[osnet.stem] = Extractor(osnet)
    embeddings["colour histogram"] = colour_histogram
    pictures = None
    if pairs:
        chosen = pair_rows(people.names, read_pairs(PAIR_LIST)[:pairs])
        pictures = generate_pictures(load_generator(generator)[0], people, chosen)
    report: dict[str, Any] = {}
    for name, embedding in embeddings.items():
        started = time.process_time()
        vectors = embedding(people.images)
        milliseconds = 1000 * (time.process_time() - started) / len(people)
        report[name] = {"ms_per_photo": milliseconds, "real": search_and_compare(people, vectors)}
        if pictures is not None:
            report[name]["generated"] = compare_generated(
                people, chosen, vectors, embedding(pictures)
            )
        print(name, dumps(report[name]), flush=True)
    described = {
        "people": len(set(people.identities)),
        "photos": len(people),
        "pictures": pairs,
        "generator": generator,
        "weights_sha256": ours.sha256,
        "weights_metadata": ours.metadata,
        "embeddings": report,
        **provenance(),
    }
    if json is not None:
        json.write_text(dumps(described, indent=2) + "\n", encoding="utf-8")


def search_and_compare(
    people: PhotoSet, vectors: Float[Tensor, "photos features"]
) -> dict[str, Any]:
    """Measure the search among real photos, and how far cosines part people."""
    who, cameras = number_people(people), people.cameras
    cosine = vectors @ vectors.T
    asks = first_of_each(who, cameras)
    same = who[:, None] == who
    other_camera = cameras[:, None] != cameras
    ranking = rank_gallery(cosine[asks], same[asks], (same & ~other_camera)[asks])
    friends = cosine[same & other_camera]
    strangers = cosine[~same]
    # Of pairs of a friend and a stranger: a rank sum, which counts every one of them.
    above = torch.searchsorted(strangers.sort().values, friends).double() / len(strangers)
    return estimates(ranking, who[asks]) | {
        "cosine_same_person": friends.mean().item(),
        "cosine_strangers": strangers.mean().item(),
        "same_above_stranger": above.mean().item(),
    }


def compare_generated(
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    vectors: Float[Tensor, "photos features"],
    generated: Float[Tensor, "pairs features"],
) -> dict[str, Any]:
    """Compare the target photo, the generated picture and the source photo as queries.

    Args:
        people: The test photos.
        pairs: Positions of source and target.
        vectors: Of the photos.
        generated: Of the pictures.
    """
    who, cameras = number_people(people), people.cameras
    source, target = pairs.unbind(dim=1)
    same = who[target][:, None] == who
    # Neither what the target's camera saw nor what the source's did, for all three alike.
    near = (cameras[target][:, None] == cameras) | (cameras[source][:, None] == cameras)
    junk = same & near
    row = torch.arange(len(pairs))
    results: dict[str, Any] = {}
    for name, asking in (
        ("target photo", vectors[target]),
        ("generated", generated),
        ("source photo", vectors[source]),
    ):
        cosine = asking @ vectors.T
        ranking = rank_gallery(cosine, same, junk)
        with_target = cosine[row, target]
        results[name] = estimates(ranking, who[target]) | {
            "cosine_target": with_target.mean().item(),
            "cosine_target_ci95": bootstrap_interval(with_target, clusters=who[target].tolist()),
            "cosine_strangers": cosine[~same].mean().item(),
        }
    return results


def estimates(ranking: Ranking, who: Int64[Tensor, "queries"]) -> dict[str, Any]:
    """Return rank-1 and mean average precision with intervals over people."""
    clusters = who[ranking.asked].tolist()
    return ranking.means() | {
        "queries": len(ranking.asked),
        "rank1_ci95": bootstrap_interval((ranking.first_place == 1).double(), clusters=clusters),
        "map_ci95": bootstrap_interval(ranking.precision, clusters=clusters),
    }


def colour_histogram(
    images: UInt8[Tensor, "batch 3 height width"],
) -> Float[Tensor, "batch features"]:
    """Count colours: the plainest embedding; roots, so that cosines are Bhattacharyya's."""
    red, green, blue = (images.long() * BINS // 256).flatten(2).unbind(dim=1)
    colour = (red * BINS + green) * BINS + blue
    counts = torch.zeros(len(images), BINS**3)
    counts.scatter_add_(1, colour, torch.ones_like(colour, dtype=torch.float32))
    return F.normalize(counts.sqrt(), dim=1)


if __name__ == "__main__":
    import tyro

    try:
        tyro.cli(main)
    except InputError as error:
        print(f"person_embedding: {error}", file=sys.stderr)
        sys.exit(2)
