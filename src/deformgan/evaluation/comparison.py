"""compare_reports: compare several systems' reports, with significance tests."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.errors import InputError, shortened
from deformgan.evaluation.pckh import metric_weights
from deformgan.stats.bootstrap import bootstrap_means
from deformgan.stats.significance import EXACT, FLIPS, holm, sign_flip_test

LEVEL = 0.05

# By prefix of the metric's name, since judges append their own. Metrics not listed have no better
# direction (sharpness should equal that of the real photo).
BETTER = {
    **dict.fromkeys(("ssim", "mask_ssim", "psnr", "mask_psnr", "pckh", "identity"), "higher"),
    **dict.fromkeys(("inception_score", "mask_inception_score", "detection_score"), "higher"),
    **dict.fromkeys(("l1", "mask_l1", "lpips", "mask_lpips", "fid", "kid", "part_error"), "lower"),
}

PairKey = tuple[str, str, int]


@dataclass(frozen=True)
class Report:
    """A report of `deformgan evaluate` about one system.

    Attributes:
        label: Name of the system.
        file: Path of the report.
        protocol: All settings that define the scores.
        metrics: `value`, `ci95` and `what` by metric name.
        unavailable: Reasons for missing metrics, by metric name.
        pairs: Source, target, and the number of earlier occurrences of both in the list.
        asked: Number of visible target joints of each pair.
        numbers: One number per pair, by metric name; NaN where a pair has none.
        system: Description of the origin of the pictures.
    """

    label: str
    file: Path
    protocol: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    unavailable: Mapping[str, str]
    pairs: Sequence[PairKey]
    asked: Float[Tensor, "pairs"]
    numbers: Mapping[str, Float[Tensor, "pairs"]]
    system: Mapping[str, Any]

    @staticmethod
    def read(file: Path, label: str) -> "Report":
        """Read and validate a report.

        Args:
            file: JSON file written by `deformgan evaluate --json`.
            label: Name of its system.
        """
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"The report {file} does not exist.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read: {shortened(error)}.") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file} is not JSON: {shortened(error)}.") from None
        try:
            return Report._from_json(data, file, label)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{file} is not a report of `deformgan evaluate`: {_complaint(error)}."
            ) from None

    @staticmethod
    def _from_json(data: Any, file: Path, label: str) -> "Report":
        if not isinstance(data, dict):
            raise TypeError("it is not an object")
        protocol, metrics = data["protocol"], data["metrics"]
        if not isinstance(protocol, dict):
            raise TypeError("its protocol is not an object")
        # Third-party reports may lack numbers per pair: only their means are shown.
        pairs: dict[str, Any] = data.get("pairs") or {
            "from": [],
            "to": [],
            "asked_joints": [],
            "numbers": {},
        }
        sources, targets = pairs["from"], pairs["to"]
        columns = {name: _column(values) for name, values in pairs["numbers"].items()}
        asked = _column(pairs["asked_joints"])
        for name, column in {"to": targets, "asked_joints": asked, **columns}.items():
            if len(column) != len(sources):
                raise ValueError(f"pairs.{name} has {len(column)} entries, not {len(sources)}")
        described = {
            name: {
                "value": _finite(found["value"]),
                "ci95": _interval(found.get("ci95")),
                "what": str(found.get("what", "")),
            }
            for name, found in metrics.items()
        }
        return Report(
            label,
            file,
            protocol,
            described,
            dict(data.get("unavailable", {})),
            _numbered(sources, targets),
            asked,
            columns,
            dict(data.get("system") or {}),
        )


def compare_reports(
    reports: Sequence[Report], across_protocols: bool = False, only: Sequence[str] = ()
) -> dict[str, Any]:
    """Compare systems with the first one, on the pairs they have in common.

    Args:
        reports: Reports with different labels, all scored by one protocol.
        across_protocols: Also compare reports of different protocols, with a note about it.
        only: Metrics to compare; empty for all.

    Returns:
        JSON data: `systems` by label with their `metrics` and, for all except the first,
        `minus_first` (difference, interval, p before and after Holm's correction) or the reason in
        `not_compared`; `better` and `best` by metric; the number of `comparisons`; and `notes`, a
        list of sentences.
    """
    labels = Counter(report.label for report in reports)
    if twice := [label for label, times in labels.items() if times > 1]:
        raise InputError(f"Two reports are called {twice[0]!r}; rename one of them with NAME=FILE.")
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    if unknown := [name for name in only if name not in names]:
        raise InputError(
            f"No report has the metric {unknown[0]!r}; choose from {', '.join(names)}."
        )
    names = list(dict.fromkeys(only)) or names
    first, others = reports[0], reports[1:]
    protocols = {other.label: _protocol_entries(first, other) for other in others}
    protocols = {label: entries for label, entries in protocols.items() if entries}
    if protocols and not across_protocols:
        label = next(iter(protocols))
        raise InputError(
            f"{first.label} and {label} were scored by different protocols: "
            f"{_some(_described(protocols[label]))}; add --across-protocols to compare them anyway."
        )
    systems = {report.label: _system(report, first, names) for report in reports}
    _correct([system["minus_first"] for system in systems.values()])
    alike = all(Counter(other.pairs) == Counter(first.pairs) for other in others)
    best = _best(reports, names) if alike and not protocols else {}
    found = {
        "first": first.label,
        "protocol": first.protocol,
        "protocol_differences": protocols,
        "pairs": len(first.pairs),
        "same_pairs": alike,
        "systems": systems,
        "better": {name: better(name) for name in names},
        "best": best,
        "comparisons": sum(len(system["minus_first"]) for system in systems.values()),
        "level": LEVEL,
    }
    return {**found, "notes": _notes(reports, found)}


def better(metric: str) -> str | None:
    """Return the direction in which a metric improves: "higher", "lower", or None for neither."""
    known = [name for name in BETTER if metric == name or metric.startswith(f"{name}_")]
    return BETTER[max(known, key=len)] if known else None


def _complaint(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    return str(error).rstrip(".")


def _column(values: Any) -> Float[Tensor, "pairs"]:
    """Convert a report's numbers per pair, with null for NaN; raise if they are not numbers."""
    return torch.tensor([math.nan if v is None else float(v) for v in values], dtype=torch.float64)


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _interval(ends: Any) -> list[float] | None:
    if ends is None:
        return None
    low, high = (_finite(end) for end in ends)
    return None if low is None or high is None else [low, high]


def _numbered(sources: Sequence[Any], targets: Sequence[Any]) -> list[PairKey]:
    """Return pairs as keys that are unique even if a pair is listed more than once."""
    before: Counter[tuple[str, str]] = Counter()
    keys = []
    for source, target in zip(sources, targets, strict=True):
        keys.append((str(source), str(target), before[source, target]))
        before[source, target] += 1
    return keys


def _protocol_entries(first: Report, other: Report) -> dict[str, list[Any]]:
    """Find the protocol entries that differ; which pairs were scored is compared separately."""
    left_out = {"pairs", "pairs_sha256"}
    entries = _differing(first.protocol, other.protocol)
    if "pairs_sha256" in entries:
        left_out.add("poses_sha256")  # different pairs imply different poses
    return {name: values for name, values in entries.items() if name not in left_out}


def _differing(ours: Any, theirs: Any, name: str = "") -> dict[str, list[Any]]:
    """Find the entries in which two protocols differ, with nested ones as `outer.inner`."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return {} if ours == theirs else {name: [ours, theirs]}
    entries: dict[str, list[Any]] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        inner = f"{name}.{key}" if name else str(key)
        entries |= _differing(ours.get(key), theirs.get(key), inner)
    return entries


def _described(entries: Mapping[str, Sequence[Any]]) -> list[str]:
    return [
        f"{name} ({_short(ours)} against {_short(theirs)})"
        for name, (ours, theirs) in entries.items()
    ]


def _short(value: Any, length: int = 40) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _some(parts: Sequence[str], most: int = 6) -> str:
    rest = len(parts) - most
    return ", ".join(parts[:most]) + (f" and {rest} more" if rest > 0 else "")


def _system(report: Report, first: Report, names: Sequence[str]) -> dict[str, Any]:
    """Describe one system and its differences from the first."""
    rows_of_first = {key: row for row, key in enumerate(first.pairs)}
    common = sorted(
        (rows_of_first[key], row) for row, key in enumerate(report.pairs) if key in rows_of_first
    )
    reasons: dict[str, str] = {}
    compared: list[str] = []
    for name in names if report is not first else ():
        owners = [r for r in (first, report) if name in r.metrics]
        if not owners:
            continue
        if len(owners) == 1:
            lacking = report if owners == [first] else first
            why = lacking.unavailable.get(name, "not measured")
            reasons[name] = f"{lacking.label} has none: {why}"
        elif first.metrics[name]["what"] != report.metrics[name]["what"]:
            reasons[name] = "another judge"
        elif not (name in first.numbers and name in report.numbers):
            reasons[name] = "of all pictures together"
        else:
            compared.append(name)
    differences = _compare(first, report, common, compared)
    for name in compared:
        if name not in differences:
            reasons[name] = "no pair in common"
    return {
        "file": str(report.file),
        "system": dict(report.system),
        "pairs": len(report.pairs),
        "pairs_in_common": len(common),
        "metrics": {name: dict(report.metrics[name]) for name in names if name in report.metrics},
        "unavailable": dict(report.unavailable),
        "minus_first": differences,
        "not_compared": reasons,
    }


def _compare(
    first: Report, other: Report, common: Sequence[tuple[int, int]], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compute mean difference, interval and p value of every metric over the common pairs."""
    if not (common and names):
        return {}
    ours, theirs = (list(rows) for rows in zip(*common, strict=True))
    differences = torch.stack(
        [other.numbers[name][theirs] - first.numbers[name][ours] for name in names], dim=1
    )
    # PCKh is a fraction of all target joints, not the mean of the pairs' fractions.
    weights = metric_weights(names, first.asked[ours].nan_to_num())
    present = ~differences.isnan() & (weights > 0)
    means = bootstrap_means(
        differences.where(present, torch.nan), weights=weights, confidence=1 - LEVEL
    )
    p = sign_flip_test((differences * weights).where(present, 0.0))
    return {
        name: {"value": mean.value, "ci95": list(mean.interval), "pairs": mean.count, "p": one}
        for name, mean, one in zip(names, means, p.tolist(), strict=True)
        if mean is not None
    }


def _correct(differences: Sequence[dict[str, dict[str, Any]]]) -> None:
    """Add the corrected p value and a verdict to every comparison."""
    entries = [(name, found) for part in differences for name, found in part.items()]
    corrected = holm([found["p"] for _, found in entries])
    for (name, found), p in zip(entries, corrected, strict=True):
        significant = p < LEVEL
        found |= {"p_holm": p, "significant": significant, "verdict": None}
        if significant and (direction := better(name)):
            found["verdict"] = (
                "better" if (found["value"] > 0) == (direction == "higher") else "worse"
            )


def _best(reports: Sequence[Report], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the best systems by metric, where all systems with a value share a judge."""
    best = {}
    for name in names:
        owners = [r for r in reports if name in r.metrics and r.metrics[name]["value"] is not None]
        alike = len({report.metrics[name]["what"] for report in owners}) == 1
        if len(owners) > 1 and alike and (direction := better(name)):
            values = {report.label: report.metrics[name]["value"] for report in owners}
            end = (max if direction == "higher" else min)(values.values())
            best[name] = [label for label, value in values.items() if value == end]
    return best


def _notes(reports: Sequence[Report], found: Mapping[str, Any]) -> list[str]:
    first, notes = found["first"], []
    for label, entries in found["protocol_differences"].items():
        notes.append(
            f"{label} was scored by another protocol than {first}: {_some(_described(entries))}. "
            "Its means are not comparable with the others', and its differences are due to the "
            "protocols as well as the systems."
        )
    for report in reports[1:]:
        system = found["systems"][report.label]
        common = system["pairs_in_common"]
        if not common == len(report.pairs) == found["pairs"]:
            notes.append(
                f"The lists of pairs differ: {first} was scored on {found['pairs']}, "
                f"{report.label} on {len(report.pairs)}, {common} of them in both. Means are over "
                "each system's own pairs, differences over common pairs."
            )
        judges = [name for name, why in system["not_compared"].items() if why == "another judge"]
        for name in judges:
            ours, theirs = (r.metrics[name]["what"] for r in (reports[0], report))
            notes.append(
                f"{name} of {report.label} is not compared because it was measured differently: "
                f"'{theirs}', {first}'s '{ours}'."
            )
        without = [name for name, why in system["not_compared"].items() if why.startswith("of all")]
        if without:
            notes.append(
                f"{_some(without)} of {report.label}: one number for all pictures together, so "
                "there is no paired comparison."
            )
        for name, why in system["not_compared"].items():
            if ": " in why:
                notes.append(f"{name} of {report.label} is not compared; {why}.")
    if found["comparisons"]:
        notes.append(
            f"Differences are mean paired differences with 95 % bootstrap intervals. p values are "
            f"from {FLIPS:,} random sign flips of the paired differences (all flips if at most "
            f"{EXACT} differ), after Holm's correction for the {found['comparisons']} comparisons "
            f"in this table; * marks p < {LEVEL}. Intervals are not corrected. Intervals and p "
            "values ignore that pairs of one person are correlated: over people, both would tend "
            "to be larger."
        )
    return notes
