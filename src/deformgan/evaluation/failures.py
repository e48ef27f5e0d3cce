"""failure_report: which pairs are hard, why, and how much worse their pictures are."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from deformgan.evaluation.bootstrap import bootstrap_intervals, weighted_mean
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
from deformgan.evaluation.pckh import counts_joints
from deformgan.metrics.part_error import PREFIX
from deformgan.pose import Pose, Skeleton

# Of the intervals: 12,000 pairs in many buckets are a matter of seconds then.
RESAMPLES = 2000

_VIEW_CHANGES = ("same view", "to the side", "from the side", "front to back", "back to front")


@dataclass(frozen=True)
class Buckets:
    """A way to part pairs by how hard they are.

    Attributes:
        what: What counts.
        labels: Of the buckets.
        bucket: Of every pair, a position in `labels`.
        edges: Between the buckets, where a number decides.
    """

    what: str
    labels: tuple[str, ...]
    bucket: Int64[Tensor, "pairs"]
    edges: tuple[float, ...] = ()


def part_pairs(
    diagnosis: PairDiagnosis, edges: Sequence[float] | None = None
) -> dict[str, Buckets]:
    """Puts every pair into a bucket of each kind.

    Args:
        diagnosis: Of the pairs.
        edges: Between the buckets of pose distance, in torso lengths; by default the quartiles of
            these pairs, which are stated in the report but differ from set to set.
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
            "mean distance of the joints in torso lengths, torsos laid over each other; a bucket "
            "holds its upper edge",
            (*_ranges(edges), "unknown"),
            torch.bucketize(diagnosis.distance, diagnosis.distance.new_tensor(edges)).where(
                known, len(edges) + 1
            ),
            tuple(edges),
        ),
        "view_change": Buckets(
            "from where the person is seen in source and target, by the order and the width of "
            f"shoulders and hips (side: under {SIDE_WIDTH:g} torso lengths)",
            (*_VIEW_CHANGES, "unknown"),
            change,
        ),
        "missing_in_source": _counted(
            "joints that the source pose lacks", diagnosis.missing_in_source, (1, 3)
        ),
        "missing_in_target": _counted(
            "joints that the target pose lacks", diagnosis.missing_in_target, (1, 3)
        ),
        "lost_parts": _counted(
            "parts that the target asks for, but that have no transform",
            diagnosis.of_origin(*LOST),
            (1, 2),
        ),
        "twin_parts": _counted(
            "parts that are taken from their twin", diagnosis.of_origin("twin"), (1, 2)
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
    """Tells where a system fails: scores by how hard pairs are, and the worst pairs with why.

    Args:
        source_pose: In pixels of the source photos.
        target_pose: In pixels of the target photos.
        names: Of source and target photo.
        numbers: Of every pair, by metric; NaN where a pair has none. `pckh` is weighted by the
            asked joints, like its mean elsewhere.
        skeleton: Of the poses.
        clusters: Whom each pair shows, for intervals of other people; see `bootstrap_interval`.
        edges: See `part_pairs`.
        worst_by: Which metric says what is worst; by default the first. Of `l1`, `lpips` and the
            parts' errors large is bad, of others small.
        worst: How many pairs to list.

    Returns:
        What JSON can hold: `pairs` (columns, a row per pair, joints and parts as names with blanks
        between), `buckets`, `parts` (the error of each part by what became of it) and `worst`.
    """
    if not len(names) == len(source_pose) == len(target_pose):
        raise ValueError(
            f"one name per pair, got {len(names)} for {len(source_pose)} and {len(target_pose)} "
            "poses."
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
    """Lays a failure report out in Markdown.

    Args:
        report: See `failure_report`.
        metrics: Columns of the buckets; by default all but the errors of parts.
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
        lines += ["### Error of each part", "", "By what became of it:", ""]
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
        lines += _table(["from", "to", worst["metric"], "what is hard about it"], rows)
    return "\n".join(lines)


def _ranges(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:.2f}" for edge in edges]
    if not shown:
        return ["any"]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"up to {shown[0]}", *between, f"over {shown[-1]}"]


def _counted(what: str, which: Bool[Tensor, "pairs things"], firsts: tuple[int, int]) -> Buckets:
    """Buckets for none, few and more, by the first count of each of the last two."""
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
    """Gives count, means and intervals of some pairs."""
    if not numbers:
        return {"n": len(rows), "metrics": {}}
    values = torch.stack([of[rows].double().cpu() for of in numbers.values()], dim=1)
    weights = torch.ones_like(values)
    for column, name in enumerate(numbers):
        if counts_joints(name):
            weights[:, column] = asked[rows].double()
    who = None if clusters is None else [clusters[row] for row in rows.tolist()]
    estimates = _estimates(values, weights, who)
    return {"n": len(rows), "metrics": dict(zip(numbers, estimates, strict=True))}


def _estimates(
    values: Float[Tensor, "pairs metrics"],
    weights: Float[Tensor, "pairs metrics"],
    clusters: Sequence[Hashable] | None,
) -> list[dict[str, Any] | None]:
    """Gives mean, 95 % interval and count of every column; None for one without numbers.

    One pair alone has no interval.
    """
    ends = bootstrap_intervals(values, RESAMPLES, weights=weights, clusters=clusters).tolist()
    found: list[dict[str, Any] | None] = []
    for column in range(values.shape[1]):
        present = ~values[:, column].isnan()
        count = int(present.sum())
        if not count:
            found.append(None)
            continue
        mean = weighted_mean(values[present, column], weights[present, column])
        found.append({"value": mean, "ci95": ends[column] if count > 1 else None, "n": count})
    return found


def _errors_by_origin(
    diagnosis: PairDiagnosis,
    numbers: Mapping[str, Tensor],
    skeleton: Skeleton,
    clusters: Sequence[Hashable] | None,
) -> dict[str, dict[str, Any]]:
    """Gives each part's error by what became of the part."""
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
    large_is_bad = metric == "l1" or metric.startswith(("lpips", PREFIX))
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
