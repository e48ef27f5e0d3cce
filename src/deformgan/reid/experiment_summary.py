"""Statistics of an experiment: means over seeds, paired comparisons and their verdicts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

from deformgan.reid.experiment_runs import LONGER, REAL, PlannedRun
from deformgan.stats.bootstrap import bootstrap_interval
from deformgan.stats.paired import paired_t
from deformgan.stats.significance import holm, sign_flip_test

METRICS = {"map": "mAP", "rank1": "rank-1", "minp": "mINP"}
LEVEL = 0.05


@dataclass(frozen=True)
class Condition:
    """A run of the design without its seed."""

    baseline: str
    augmenter: str
    alpha: int
    entry: str
    fraction: int
    per_person: int | None
    erasing: bool

    @staticmethod
    def of(one: PlannedRun) -> "Condition":
        """Drop the seed of a run."""
        values = asdict(one)
        del values["seed"]
        return Condition(**values)

    @property
    def real(self) -> "Condition":
        """Reference condition: the same with real photos only."""
        return replace(self, augmenter=REAL, alpha=1, entry="none")

    @property
    def made(self) -> str:
        """Augmenter, alpha and entry, for the report."""
        if self.augmenter == REAL:
            return "real photos only"
        if self.augmenter == LONGER:
            return f"more steps (as {self.entry})"
        return f"{self.augmenter} x{self.alpha} ({self.entry})"

    @property
    def kept(self) -> str:
        """How many real photos there are, for the report."""
        if self.per_person is None:
            return f"{self.fraction} %"
        return f"{self.per_person} per person"

    @property
    def setting(self) -> str:
        """Everything but the augmentation, for the report."""
        erasing = "on" if self.erasing else "off"
        return f"{self.baseline}, random erasing {erasing}, {self.kept} of the photos"


Results = Mapping[PlannedRun, Mapping[str, Any]]


def summarize(
    results: Results, planned: Sequence[PlannedRun], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """Summarize the runs of an experiment.

    Args:
        results: Results of the finished runs.
        planned: All runs of the design.
        shared: What the runs share, see `Experiment.describe`.

    Returns:
        JSON-serializable report: `conditions`, mean and standard deviation over seeds;
        `comparisons` with real photos only; `pooled`, the same for each augmenter's mean over all
        settings; `between`, the first augmenter against the others; `verdicts`, one sentence each;
        and all `planned`.
    """
    by_condition: dict[Condition, dict[int, Mapping[str, Any]]] = {}
    for one in planned:
        if one in results:
            by_condition.setdefault(Condition.of(one), {})[one.seed] = results[one]
    augmented = [one for one in by_condition if one.augmenter != REAL]
    order = list(dict.fromkeys(one.augmenter for one in planned if one.augmenter != REAL))
    comparisons = _compare_all(by_condition, [[(one, one.real)] for one in augmented])
    pooled = _compare_all(by_condition, _pooled(comparisons))
    between = _compare_all(
        by_condition,
        [
            [(one, replace(one, augmenter=other, alpha=1 if other == LONGER else one.alpha))]
            for one in augmented
            for other in order[1:]
            if one.augmenter == order[0]
        ],
    )
    return {
        "experiment": shared,
        "complete": len(results) == len(planned),
        "runs": {"done": len(results), "planned": len(planned)},
        "alphas": sorted({one.alpha for one in planned}),
        "primary": "map",
        "level": LEVEL,
        "verdicts": [one["verdict"] for one in (*pooled, *comparisons)],
        "conditions": [_condition(one, runs) for one, runs in by_condition.items()],
        "comparisons": comparisons,
        "pooled": pooled,
        "between": between,
        "results": [{**asdict(one), **results[one]} for one in planned if one in results],
    }


def compare(
    runs: Mapping[Condition, Mapping[int, Mapping[str, Any]]],
    pairs: Sequence[tuple[Condition, Condition]],
) -> dict[str, Any] | None:
    """Compare conditions over their common seeds and over test identities.

    Over seeds: the runs of a seed share initial weights and kept photos, so each seed contributes
    one difference; interval and p are of Student's paired t test. Over people: differences are
    averaged over seeds per query; the interval is a bootstrap that resamples identities with all
    their queries, and p is of a test that flips the signs of all differences of an identity.

    Args:
        runs: Results by condition and seed.
        pairs: Condition and reference; several pairs are averaged.

    Returns:
        JSON-serializable comparison; None if no seed has all conditions.
    """
    first, second = pairs[0]
    seeds = [
        seed
        for seed in runs[first]
        if all(seed in runs.get(one, {}) for pair in pairs for one in pair)
    ]
    if not seeds:
        return None
    people = runs[first][seeds[0]]["queries"]["person"].split()
    metrics = {}
    for metric in METRICS:
        of_both = [
            [
                np.mean([_column(runs[pair[side]][seed], metric) for pair in pairs], axis=0)
                for seed in seeds
            ]
            for side in (0, 1)
        ]
        values = [[column.mean() for column in columns] for columns in of_both]
        by_seed = [float(a - b) for a, b in zip(*values, strict=True)]
        by_query = np.mean([a - b for a, b in zip(*of_both, strict=True)], axis=0)
        over_seeds = paired_t(by_seed)
        low, high = bootstrap_interval(torch.from_numpy(by_query), clusters=people)
        numbers = np.unique(people, return_inverse=True)[1]
        sums = torch.from_numpy(np.bincount(numbers, by_query))
        metrics[metric] = {
            "first": float(np.mean(values[0])),
            "second": float(np.mean(values[1])),
            "difference": over_seeds.mean,
            "by_seed": by_seed,
            "seeds": {
                "ci95": [_finite(over_seeds.low), _finite(over_seeds.high)],
                "p": over_seeds.p,
            },
            "people": {"ci95": [low, high], "p": sign_flip_test(sums[:, None]).item()},
        }
    return {
        "first": asdict(first),
        "second": asdict(second),
        "settings": [one.setting for one, _ in pairs],
        "seeds": seeds,
        "queries": len(people),
        "people": len(set(people)),
        "metrics": metrics,
    }


def correct(comparisons: Sequence[dict[str, Any]]) -> None:
    """Add Holm-corrected p values, over all comparisons of each metric and kind of test.

    Args:
        comparisons: Comparisons, modified in place.
    """
    for metric in METRICS:
        for way in ("seeds", "people"):
            parts = [one["metrics"][metric][way] for one in comparisons]
            for part, p in zip(parts, holm([part["p"] for part in parts]), strict=True):
                part["p_holm"] = p


def verdict(compared: Mapping[str, Any]) -> str:
    """Return a sentence on what a comparison found for mAP, and its significance."""
    first, second = Condition(**compared["first"]), Condition(**compared["second"])
    found = compared["metrics"]["map"]
    difference = found["difference"]
    direction = "raised" if difference > 0 else "lowered"
    sure = {way: found[way]["p_holm"] < LEVEL for way in ("seeds", "people")}
    count = len(compared["seeds"])
    against = "" if second.augmenter == REAL else f" compared with {second.made}"
    if all(sure.values()):
        what = f"{direction} mAP{against} by {format_points(abs(difference))} points"
    elif sure["people"]:
        # All queries share the randomness of a training run, which sign flips by identity cannot
        # detect.
        what = (
            f"had no significant effect on mAP{against}: the difference of these runs holds for "
            f"other test people, but may be random variation of training, which {_seeds(count)} "
            "cannot rule out"
        )
    elif sure["seeds"]:
        what = (
            f"had no significant effect on mAP{against}: the difference is consistent over seeds, "
            "but may be due to the choice of test people"
        )
    else:
        what = f"did not measurably change mAP{against}"
    intervals = "; ".join(
        f"over {name} {format_interval(found[way]['ci95'])}, p {format_p(found[way]['p_holm'])}"
        for way, name in (("seeds", _seeds(count)), ("people", f"{compared['people']} people"))
    )
    values = f"{100 * found['second']:.2f} to {100 * found['first']:.2f} %"
    settings = compared["settings"]
    where = (
        settings[0] if len(settings) == 1 else f"{first.baseline}, mean of {len(settings)} settings"
    )
    return (
        f"{where}: augmentation with {first.made} {what} ({values}, "
        f"{format_points(difference, '+')}; {intervals})."
    )


def _compare_all(
    runs: Mapping[Condition, Mapping[int, Mapping[str, Any]]],
    families: Sequence[Sequence[tuple[Condition, Condition]]],
) -> list[dict[str, Any]]:
    """Compute all possible comparisons, correct for multiplicity and add verdicts."""
    found = [one for pairs in families if (one := compare(runs, pairs)) is not None]
    correct(found)
    for one in found:
        one["verdict"] = verdict(one)
    return found


def _pooled(comparisons: Sequence[Mapping[str, Any]]) -> list[list[tuple[Condition, Condition]]]:
    """Group comparisons by baseline, augmenter, alpha and entry; keep those of several settings."""
    groups: dict[tuple[str, str, int, str], list[tuple[Condition, Condition]]] = {}
    for one in comparisons:
        first = Condition(**one["first"])
        key = (first.baseline, first.augmenter, first.alpha, first.entry)
        groups.setdefault(key, []).append((first, first.real))
    return [pairs for pairs in groups.values() if len(pairs) > 1]


def _condition(one: Condition, runs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    of_seeds = list(runs.values())
    return {
        **asdict(one),
        "seeds": list(runs),
        "real_alpha": fmean(run["photos"]["alpha"] for run in of_seeds),
        "photos": fmean(run["photos"]["real"] + run["photos"]["generated"] for run in of_seeds),
        "missing": fmean(run["photos"]["missing"] for run in of_seeds),
        "per_identity": fmean(
            run["photos"]["real"] / run["photos"]["identities"] for run in of_seeds
        ),
        "seen": {
            name: fmean(run["seen"][name] for run in of_seeds)
            for name in ("real", "generated", "steps")
        },
        "seconds": fmean(run["seconds"]["train"] for run in of_seeds),
        "metrics": {
            metric: {
                "mean": fmean(run["metrics"][metric] for run in of_seeds),
                "sd": stdev(run["metrics"][metric] for run in of_seeds) if len(runs) > 1 else None,
            }
            for metric in METRICS
        },
    }


def _column(run: Mapping[str, Any], metric: str) -> np.ndarray:
    return np.array(run["queries"][metric].split(), dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def key_of(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a condition among others."""
    return {name: one[name] for name in Condition.__dataclass_fields__}


def format_points(difference: float, sign: str = "") -> str:
    """Format a difference of fractions as percentage points."""
    rounded = round(100 * difference, 2) + 0.0  # avoids "-0.00"
    return f"{rounded:{sign}.2f}"


def format_interval(ends: Sequence[float | None]) -> str:
    """Format an interval as percentage points."""
    if ends[0] is None or ends[1] is None:
        return "no interval"
    return f"[{format_points(ends[0], '+')}, {format_points(ends[1], '+')}]"


def format_p(p: float) -> str:
    """Format a p value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _seeds(count: int) -> str:
    return count_of(count, "seed")


def count_of(count: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
