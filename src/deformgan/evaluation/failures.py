"""failure_report: scores by difficulty of the pairs, and the worst pairs."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.evaluation.comparison import better
from deformgan.evaluation.pair_diagnosis import (
    LOST,
    ORIGINS,
    SIDE_WIDTH,
    VIEWS,
    PairDiagnosis,
    describe_pair,
    diagnose_pairs,
    tabulate_pairs,
)
from deformgan.evaluation.pckh import metric_weights
from deformgan.metrics.part_error import PREFIX
from deformgan.pose import Pose, Skeleton
from deformgan.stats.bootstrap import bootstrap_means

# Bootstrap resamples: few enough for 12,000 pairs in many buckets to take seconds.
RESAMPLES = 2000

_VIEW_CHANGES = ("same view", "to the side", "from the side", "front to back", "back to front")


@dataclass(frozen=True)
class Buckets:
    """A partition of pairs by one kind of difficulty.

    Attributes:
        what: Description of the criterion.
        labels: Labels of the buckets.
        bucket: Bucket of every pair, as an index into `labels`.
        edges: Edges between the buckets, if the criterion is a number.
    """

    what: str
    labels: tuple[str, ...]
    bucket: Int64[Tensor, "pairs"]
    edges: tuple[float, ...] = ()


def part_pairs(
    diagnosis: PairDiagnosis, edges: Sequence[float] | None = None
) -> dict[str, Buckets]:
    """Assign every pair to a bucket of each kind.

    Args:
        diagnosis: Diagnosis of the pairs.
        edges: Edges between the buckets of pose distance, in torso lengths; by default the
            quartiles of these pairs, which the report states but which vary between sets of pairs.
    """
    known = ~diagnosis.distance.isnan()
    if edges is None:
        quarters = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
        some = diagnosis.distance[known]
        edges = some.quantile(quarters.to(some)).tolist() if len(some) else []
    source, target = diagnosis.source_view, diagnosis.target_view
    front, side, back, unknown = range(len(VIEWS))
    change = torch.zeros_like(source)
    change[(target == side) & (source != side)] = 1
    change[(source == side) & (target != side)] = 2
    change[(source == front) & (target == back)] = 3
    change[(source == back) & (target == front)] = 4
    change[(source == unknown) | (target == unknown)] = len(_VIEW_CHANGES)
    return {
        "pose_change": Buckets(
            "mean distance of the joints in torso lengths, with torsos aligned; a bucket "
            "includes its upper edge",
            (*_ranges(edges), "unknown"),
            torch.bucketize(diagnosis.distance, diagnosis.distance.new_tensor(edges)).where(
                known, len(edges) + 1
            ),
            tuple(edges),
        ),
        "view_change": Buckets(
            "viewpoints of the person in source and target, by the order and the width of "
            f"shoulders and hips (side: under {SIDE_WIDTH:g} torso lengths)",
            (*_VIEW_CHANGES, "unknown"),
            change,
        ),
        "missing_in_source": _counted(
            "number of joints missing in the source pose", diagnosis.missing_in_source, (1, 3)
        ),
        "missing_in_target": _counted(
            "number of joints missing in the target pose", diagnosis.missing_in_target, (1, 3)
        ),
        "lost_parts": _counted(
            "number of parts in the target pose that have no transform",
            diagnosis.of_origin(*LOST),
            (1, 2),
        ),
        "twin_parts": _counted(
            "number of parts taken from their twin", diagnosis.of_origin("twin"), (1, 2)
        ),
    }


def failure_report(
    source_pose: Pose,
    target_pose: Pose,
    names: Sequence[tuple[str, str]],
    numbers: Mapping[str, Float[Tensor, "pairs"]],
    skeleton: Skeleton,
    *,
    clusters: Sequence[Hashable] | None = None,
    edges: Sequence[float] | None = None,
    worst_by: str | None = None,
    worst: int = 20,
) -> dict[str, Any]:
    """Report scores by difficulty of the pairs, and the worst pairs with explanations.

    Args:
        source_pose: Poses in pixels of the source photos.
        target_pose: Poses in pixels of the target photos.
        names: Names of source and target photo of each pair.
        numbers: One number per pair, by metric; NaN where a pair has none. `pckh` is weighted by
            the number of target joints, as in other means.
        skeleton: Skeleton of the poses.
        clusters: Person in each pair, for intervals over people; see `stats.bootstrap`.
        edges: See `part_pairs`.
        worst_by: Metric that ranks the worst pairs; by default the first. Large values are bad for
            `l1`, `lpips` and part errors, small ones for others.
        worst: Number of pairs to list.

    Returns:
        JSON data: `pairs` (columns with one row per pair; joints and parts as names separated by
        spaces), `buckets`, `parts` (error of each part by its origin) and `worst`.
    """
    if not len(names) == len(source_pose) == len(target_pose):
        raise ValueError(
            f"names and poses must have the same length, got {len(names)} names, "
            f"{len(source_pose)} source poses and {len(target_pose)} target poses."
        )
    if worst_by is not None and worst_by not in numbers:
        raise ValueError(f"worst_by must be one of {', '.join(numbers)}, got {worst_by!r}.")
    source_pose, target_pose = source_pose.to("cpu"), target_pose.to("cpu")
    diagnosis = diagnose_pairs(source_pose, target_pose, skeleton)
    asked = target_pose.visible.sum(dim=1)
    buckets = {}
    for kind, parting in part_pairs(diagnosis, edges).items():
        groups = []
        for place, label in enumerate(parting.labels):
            rows = (parting.bucket == place).nonzero()[:, 0]
            if len(rows):
                groups.append({"bucket": label, **_summary(numbers, asked, rows, clusters)})
        buckets[kind] = {"what": parting.what, "edges": list(parting.edges), "buckets": groups}
    report: dict[str, Any] = {
        "origins": dict(ORIGINS),
        "pairs": {
            "from": [source for source, _ in names],
            "to": [target for _, target in names],
            **tabulate_pairs(diagnosis, skeleton),
        },
        "buckets": buckets,
        "parts": _errors_by_origin(diagnosis, numbers, skeleton, clusters),
    }
    by = worst_by or next(iter(numbers), None)
    if by is not None:
        report["worst"] = _worst(diagnosis, names, by, numbers[by], skeleton, worst)
    return report


def failures_table(report: Mapping[str, Any], metrics: Sequence[str] | None = None) -> str:
    """Format a failure report as Markdown.

    Args:
        report: See `failure_report`.
        metrics: Metrics to list per bucket; by default all except part errors.
    """
    lines = []
    for kind, parting in report["buckets"].items():
        groups = parting["buckets"]
        if not groups:
            continue
        shown = metrics or [name for name in groups[0]["metrics"] if not name.startswith(PREFIX)]
        title = kind.replace("_", " ").capitalize()
        lines += [f"### {title}", "", f"By {parting['what']}.", ""]
        lines += _table(
            [title, "pairs", *shown],
            [
                [group["bucket"], str(group["n"])]
                + [_interval(group["metrics"].get(name)) for name in shown]
                for group in groups
            ],
        )
    if report["parts"]:
        used = [name for name in ORIGINS if any(name in of for of in report["parts"].values())]
        lines += ["### Error of each part", "", "By origin of the part:", ""]
        lines += [f"- {name.replace('_', ' ')}: {report['origins'][name]}" for name in used]
        rows = [
            [part.replace("_", " "), *(_interval(of.get(name), count=True) for name in used)]
            for part, of in report["parts"].items()
        ]
        lines += ["", *_table(["part", *(name.replace("_", " ") for name in used)], rows)]
    if "worst" in report:
        worst = report["worst"]
        lines += [f"### Worst pairs by {worst['metric']}", ""]
        rows = [[p["from"], p["to"], f"{p['value']:.3f}", p["why"]] for p in worst["pairs"]]
        lines += _table(["from", "to", worst["metric"], "difficulty"], rows)
    return "\n".join(lines)


def _ranges(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:.2f}" for edge in edges]
    if not shown:
        return ["any"]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"up to {shown[0]}", *between, f"over {shown[-1]}"]


def _counted(what: str, which: Bool[Tensor, "pairs things"], firsts: tuple[int, int]) -> Buckets:
    """Build buckets "0", few and many, with `firsts` as the lowest counts of the last two."""
    few, many = firsts
    label = str(few) if many == few + 1 else f"{few} to {many - 1}"
    counts = which.sum(dim=1)
    bucket = torch.bucketize(counts, torch.tensor(firsts, device=counts.device), right=True)
    return Buckets(what, ("0", label, f"{many} or more"), bucket)


def _summary(
    numbers: Mapping[str, Tensor],
    asked: Tensor,
    rows: Tensor,
    clusters: Sequence[Hashable] | None,
) -> dict[str, Any]:
    """Compute count, means and intervals of the pairs in `rows`."""
    if not numbers:
        return {"n": len(rows), "metrics": {}}
    values = torch.stack([of[rows].double().cpu() for of in numbers.values()], dim=1)
    weights = metric_weights(list(numbers), asked[rows].cpu())
    who = None if clusters is None else [clusters[row] for row in rows.tolist()]
    estimates = _estimates(values, weights, who)
    return {"n": len(rows), "metrics": dict(zip(numbers, estimates, strict=True))}


def _estimates(
    values: Float[Tensor, "pairs metrics"],
    weights: Float[Tensor, "pairs metrics"],
    clusters: Sequence[Hashable] | None,
) -> list[dict[str, Any] | None]:
    """Compute mean, 95 % interval and count of every column; None for a column without values.

    A single pair has no interval.
    """
    means = bootstrap_means(values, RESAMPLES, weights=weights, clusters=clusters)
    return [
        None
        if mean is None
        else {
            "value": mean.value,
            "ci95": list(mean.interval) if mean.count > 1 else None,
            "n": mean.count,
        }
        for mean in means
    ]


def _errors_by_origin(
    diagnosis: PairDiagnosis,
    numbers: Mapping[str, Tensor],
    skeleton: Skeleton,
    clusters: Sequence[Hashable] | None,
) -> dict[str, dict[str, Any]]:
    """Compute each part's error by origin of the part."""
    parts = [part for part in skeleton.parts if PREFIX + part.name in numbers]
    if not parts:
        return {}
    columns = []
    for part in parts:
        values = numbers[PREFIX + part.name].double().cpu()
        origin = diagnosis.origins[:, skeleton.part_index(part.name)]
        columns += [values.where(origin == code, torch.nan) for code in range(len(ORIGINS))]
    table = torch.stack(columns, dim=1)
    found = iter(_estimates(table, torch.ones_like(table), clusters))
    return {
        part.name: {name: one for name in ORIGINS if (one := next(found)) is not None}
        for part in parts
    }


def _worst(
    diagnosis: PairDiagnosis,
    names: Sequence[tuple[str, str]],
    metric: str,
    values: Tensor,
    skeleton: Skeleton,
    count: int,
) -> dict[str, Any]:
    large_is_bad = better(metric) == "lower"
    values = values.double().cpu()
    order = values.sort(descending=large_is_bad, stable=True).indices
    order = order[~values[order].isnan()][:count].tolist()
    pairs = [
        {
            "from": names[row][0],
            "to": names[row][1],
            "value": values[row].item(),
            "why": describe_pair(diagnosis, row, skeleton),
        }
        for row in order
    ]
    return {"metric": metric, "large_is_bad": large_is_bad, "pairs": pairs}


def _interval(estimate: Mapping[str, Any] | None, count: bool = False) -> str:
    if estimate is None:
        return ""
    shown = f"{estimate['value']:.3f}"
    if estimate["ci95"] is not None:
        low, high = estimate["ci95"]
        shown += f" [{low:.3f}, {high:.3f}]"
    return f"{shown}, n {estimate['n']}" if count else shown


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---"] * len(head)
    return [f"| {' | '.join(line)} |" for line in (head, ruler, *rows)] + [""]
