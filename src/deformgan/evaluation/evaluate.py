"""evaluate: score a system's pictures of all pairs in batches."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import deformgan
from deformgan.evaluation.journal import Journal
from deformgan.evaluation.metric_set import MetricSet, Scene
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.protocol import Protocol
from deformgan.evaluation.systems import System
from deformgan.photo_file import read_photo

BATCH = 32
_NUMBER, _FEATURE, _REAL = "number/", "feature/", "real/"


@dataclass(frozen=True)
class Findings:
    """Results of an evaluation.

    Attributes:
        rows: Indices of the pairs that could be scored.
        numbers: One number per scored pair, by metric; NaN where a pair has none.
        corpus: Numbers over all pictures, by metric, each with its `value`.
        problems: One sentence per problem with the pictures.
        kept: Number of pairs that an earlier, interrupted run had already processed.
    """

    rows: list[int]
    numbers: dict[str, Tensor]
    corpus: dict[str, dict[str, Any]]
    problems: list[str]
    kept: int


def evaluate(
    system: System,
    photos: PairPhotos,
    protocol: Protocol,
    metric_set: MetricSet,
    journal: Journal,
    real: Sequence[Path] | None = None,
    watch: Callable[[Iterable[int], str, int], Iterable[int]] = lambda items, what, total: items,
) -> Findings:
    """Score a system's pictures of all pairs.

    Only one batch of pictures is in memory at a time. Results are written to the journal after
    every batch, so that another call resumes after the last one.

    Args:
        system: Source of the pictures.
        photos: The pairs.
        protocol: Defines how pictures are preprocessed and compared.
        metric_set: Metrics to compute.
        journal: Journal with the settings of this evaluation.
        real: Real photos for metrics over all pictures; None for the targets of the pairs.
        watch: Iterates over batches, for example to show progress.
    """
    batches = batched(range(len(photos)), BATCH)
    kept = sum(len(rows) for batch, rows in enumerate(batches) if batch in journal)
    for batch in watch(range(len(batches)), "pairs", len(batches)):
        if batch not in journal:
            scored = [
                score_batch(system, photos, rows, protocol, metric_set, real is None)
                for rows in same_size(batches[batch], photos.sizes)
            ]
            journal[batch] = merge(scored)
    if metric_set.corpus and real is not None:
        kinds = batched(range(len(real)), BATCH)
        for place in watch(range(len(kinds)), "real photos", len(kinds)):
            if len(batches) + place not in journal:
                paths = [real[row] for row in kinds[place]]
                journal[len(batches) + place] = _real_features(paths, protocol, metric_set)
    return _collect(journal, len(batches), real, metric_set, kept)


def settings_of(
    system: System,
    photos: PairPhotos,
    protocol: Protocol,
    metric_set: MetricSet,
    real: Sequence[Path] | None,
) -> dict[str, Any]:
    """Return all settings that determine the findings, as JSON data; arguments as in `evaluate`.

    Photos are identified by name, size and modification time: a modified photo restarts an
    evaluation.
    """
    used = {photos.folder / name for pair in photos.pairs for name in pair}
    return {
        "protocol": {
            **protocol.describe(),
            "skeleton": photos.skeleton.name,
            "pairs": len(photos),
            "pairs_sha256": _sum(f"{source},{target}" for source, target in photos.pairs),
            "poses_sha256": photos.poses_sum(),
            "real": "targets" if real is None else f"{len(real)} photos",
        },
        "photos": _sum(map(_stamp, sorted(used))),
        "real_photos": None if real is None else _sum(map(_stamp, real)),
        "system": system.describe(),
        "pictures": system.stamp(),
        "metrics": metric_set.what,
        "batch": BATCH,
        "version": deformgan.__version__,
    }


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{path.name} {stat.st_size} {stat.st_mtime_ns}"


def _sum(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def score_batch(
    system: System,
    photos: PairPhotos,
    rows: Sequence[int],
    protocol: Protocol,
    metric_set: MetricSet,
    targets_are_real: bool,
) -> dict[str, np.ndarray]:
    """Score pairs whose targets have the same size.

    Returns:
        Arrays for the journal: `rows` that could be scored, `problems`, and numbers and features by
        name.
    """
    found = system.pictures(photos, rows)
    arrays = {"problems": np.array(found.problems, dtype=np.str_)}
    scored = [row for row in rows if row in found.by_row]
    arrays["rows"] = np.array(scored, dtype=np.int64)
    if not scored:
        return arrays
    scene = Scene.create(
        torch.stack([found.by_row[row] for row in scored]),
        photos.targets(scored),
        photos.target_poses(scored),
        protocol,
        torch.tensor([row in found.were_jpeg for row in scored]),
        photos.skeleton,
    )
    for name, values in metric_set.numbers(scene).items():
        arrays[_NUMBER + name] = values.double().cpu().numpy()
    for name, features in metric_set.generated_features(scene).items():
        arrays[_FEATURE + name] = features.float().cpu().numpy()
    if targets_are_real:
        for name, features in metric_set.real_features(scene.target).items():
            arrays[_REAL + name] = features.float().cpu().numpy()
    return arrays


def merge(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Concatenate the arrays of the parts of one batch, in the order of their pairs."""
    names = dict.fromkeys(name for part in parts for name in part)
    arrays = {name: np.concatenate([p[name] for p in parts if name in p]) for name in names}
    order = np.argsort(arrays["rows"], kind="stable")
    return {name: a if name == "problems" else a[order] for name, a in arrays.items()}


def batched(rows: Sequence[int], size: int) -> list[Sequence[int]]:
    """Split indices into batches."""
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def same_size(rows: Sequence[int], sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Split a batch into parts of equal picture size."""
    ordered = sorted(rows, key=lambda row: sizes[row])
    return [list(part) for _, part in groupby(ordered, key=lambda row: sizes[row])]


def _real_features(
    paths: Sequence[Path], protocol: Protocol, metric_set: MetricSet
) -> dict[str, np.ndarray]:
    photos = [torch.from_numpy(read_photo(path)).permute(2, 0, 1) for path in paths]
    sizes = [(photo.shape[1], photo.shape[2]) for photo in photos]
    parts = []
    for rows in same_size(range(len(paths)), sizes):
        images = protocol.prepare_real(torch.stack([photos[row] for row in rows]))
        features = metric_set.real_features(images)
        arrays = {_REAL + name: values.float().cpu().numpy() for name, values in features.items()}
        parts.append({"rows": np.array(rows), **arrays})
    return merge(parts)


def _collect(
    journal: Journal,
    batches: int,
    real: Sequence[Path] | None,
    metric_set: MetricSet,
    kept: int,
) -> Findings:
    rows = [int(row) for part in journal.column("rows", batches) for row in part]
    problems = [str(line) for part in journal.column("problems", batches) for line in part]
    numbers = {}
    for name in metric_set.pair_names if rows else ():
        values = np.concatenate(list(journal.column(_NUMBER + name, batches)))
        numbers[name] = torch.from_numpy(values)
    reals = 0 if real is None else len(batched(range(len(real)), BATCH))
    corpus: dict[str, dict[str, Any]] = {}
    if rows and metric_set.corpus:

        def features(name: str) -> Iterator[np.ndarray]:
            return journal.column(_FEATURE + name, batches)

        def real_features(name: str) -> Iterator[np.ndarray]:
            return journal.column(_REAL + name, batches + reals)

        corpus = metric_set.of_all(features, real_features)
    return Findings(rows, numbers, corpus, problems, kept)
