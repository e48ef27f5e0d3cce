"""The command `deformgan reid evaluate`."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deformgan.cli.nobody import say_nobody
from deformgan.cli.outputs import output_file
from deformgan.errors import InputError
from deformgan.files import write_json

if TYPE_CHECKING:
    from torch import Tensor

    from deformgan.reid.distances import Distance
    from deformgan.reid.person_photos import PersonPhotos


def evaluate(
    *,
    extractor: str,
    query: Path | None = None,
    gallery: Path | None = None,
    data: Path | None = None,
    distance: Literal["cosine", "euclidean", "kissme", "xqda"] = "cosine",
    train: Path | None = None,
    rerank: bool = True,
    multi_query: bool = False,
    protocol: Literal["multi-shot", "single-shot"] = "multi-shot",
    repeats: int = 20,
    seed: int = 0,
    nobody: tuple[str, ...] | None = None,
    device: str = "auto",
    json: Path | None = None,
) -> None:
    """Evaluate person search: ranks, mAP and mINP of query photos in a gallery.

    Follows the rules of Market-1501: junk boxes (-1) are ignored; so are, for each query, photos of
    the same person by the same camera, and the query itself; distractors (0000, unless people are
    numbered from 0) stay in the gallery and match nobody; queries without a match are counted but
    not scored. Ranks, mAP (as mean precision at the matches, and as an area of trapezoids) and mINP
    are in [0, 1]; 95 % intervals are over people.

    With --protocol single-shot, CUHK03's first protocol: all test photos by one camera search a
    gallery of one random photo per person by the other, and the ranks and mAP are means over
    --repeats galleries.

    Args:
        extractor: person_embedding (bundled), an .onnx file, a baseline.safetensors of `deformgan
            reid train`, or a file of vectors (.npz with names and vectors).
        query: Folder of query photos, named like Market-1501's.
        gallery: Folder of gallery photos.
        data: Data set, instead of both folders: a layout of Market-1501 or CUHK03 with query and
            bounding_box_test, or with identity-split.json, whose test people are the queries.
        distance: Distance between the vectors, which have length 1; kissme and xqda are learned
            first.
        train: Data set whose training people kissme or xqda learn from; by
            default --data.
        rerank: Also re-rank by k-reciprocal neighbours in Euclidean distance (k1 20, k2 6, weight
            0.3), unless --no-rerank is given; takes half a minute at Market-1501's size.
        multi_query: Query with the mean of all vectors of a person by the same camera, from gt_bbox
            if --data has it, else from the gallery.
        protocol: multi-shot (the gallery is all photos) or single-shot.
        repeats: Number of galleries, with single-shot.
        seed: Random seed of these galleries.
        nobody: Identities that are not people, such as -1 0000; by default -1, and also 0000 unless
            training photos, queries or identity-split.json have it as a person.
        device: Device to compute on, such as cpu or cuda; ignored for .onnx and .npz files.
        json: Where to write metrics and counts as JSON.
    """
    if json is not None:
        output_file(json)

    import torch

    from deformgan.cli.progress import progress
    from deformgan.device import find_device
    from deformgan.provenance import provenance
    from deformgan.reid.distances import DISTANCES
    from deformgan.reid.evaluate import average_queries, check_scorable, evaluate_vectors
    from deformgan.reid.features import normalize, open_features
    from deformgan.reid.layout import Layout
    from deformgan.reid.person_photos import join_people, read_person_photos
    from deformgan.reid.single_shot import SingleShot, evaluate_single_shot

    measure = DISTANCES[distance]()
    teachers = train or data
    if measure.trainable and teachers is None:
        raise InputError(f"--distance {distance} must be learned; add --train DIR.")
    device = str(find_device(device))
    asked, others = _read_sides(data, query, gallery, nobody)
    features = open_features(extractor, device)

    def embed(photos: "PersonPhotos") -> "Tensor":
        return normalize(features(photos, progress))

    if protocol == "single-shot":
        asked = others = join_people(asked, others)
        SingleShot.draw(others, repeats, seed)  # refuses other data, before features are computed
        found = among = embed(others)
    else:
        check_scorable(asked, others)
        found, among = embed(asked), embed(others)
    if teachers is not None and measure.trainable:
        _learn(measure, teachers, embed, asked, nobody)
    if multi_query:
        by_hand = None if data is None else Layout.find(data).by_hand
        if by_hand is not None:
            more = read_person_photos(by_hand, asked.nobody)
            found = average_queries(found, asked, embed(more), more)
        else:
            found = average_queries(found, asked, among, others)
    how: dict[str, Any] = {"distance": measure, "rerank": rerank}
    with torch.inference_mode():
        if protocol == "single-shot":
            drawn = {"repeats": repeats, "seed": seed}
            result = evaluate_single_shot(among, others, queries=found, **how, **drawn)
        else:
            result = evaluate_vectors(found, among, asked, others, averaged=multi_query, **how)
    report = {
        **result.report(),
        "protocol": protocol,
        "extractor": features.name,
        "distance": distance,
        "multi_query": multi_query,
        **provenance(),
    }
    if json is not None:
        write_json(json, report)
    _show(report)
    say_nobody(nobody, *(folder for folder in (data, query) if folder is not None))


def _read_sides(
    data: Path | None, query: Path | None, gallery: Path | None, nobody: Collection[str] | None
) -> "tuple[PersonPhotos, PersonPhotos]":
    """List queries and gallery of a data set or of two folders; queries say who is nobody."""
    from deformgan.datasets.nobody import find_nobody
    from deformgan.reid.person_photos import query_and_gallery, read_person_photos

    if data is not None and query is None and gallery is None:
        return query_and_gallery(data, nobody)
    if data is not None or query is None or gallery is None:
        raise InputError("Give --query and --gallery, or --data instead of both.")
    others = find_nobody(query, "train", nobody)
    return read_person_photos(query, others), read_person_photos(gallery, others)


def _learn(
    measure: "Distance",
    teachers: Path,
    embed: "Callable[[PersonPhotos], Tensor]",
    asked: "PersonPhotos",
    nobody: Collection[str] | None,
) -> None:
    """Fit a learned distance to a data set's training people, none of whom may be a query."""
    from deformgan.reid.evaluate import number_together
    from deformgan.reid.training_photos import training_people

    people = training_people(teachers, nobody=nobody)
    if shared := set(people.identities) & set(asked.identities):
        raise InputError(
            f"{teachers} would train the distance on {min(shared)}, who is also a query."
        )
    numbers, _ = number_together(people.identities, [])
    measure.fit(embed(people), numbers, people.cameras)


def _show(report: dict[str, Any]) -> None:
    for title, metrics in (("", report["metrics"]), ("re-ranked: ", report["reranked"] or {})):
        for name, metric in metrics.items():
            value, ends = metric["value"], metric.get("ci95")
            interval = "" if ends is None else f"  [{ends[0]:.4f}, {ends[1]:.4f}]"
            shown = "-" if value is None else f"{value:.4f}{interval}"
            print(f"{title}{name} {shown}")
    print(", ".join(f"{name} {value:g}" for name, value in report["counts"].items()))
