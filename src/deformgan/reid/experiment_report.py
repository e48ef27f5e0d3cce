"""summarize, write_report: what an experiment's runs say together, in numbers and in sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

from deformgan.evaluation.bootstrap import bootstrap_interval
from deformgan.evaluation.significance import holm, sign_flip_test
from deformgan.reid.cells import REAL, Cell
from deformgan.reid.paired import paired_t

METRICS = {"map": "mAP", "rank1": "rank-1", "minp": "mINP"}
LEVEL = 0.05
FEW = 5  # seeds below which the report says that they are few


@dataclass(frozen=True)
class Condition:
    """A cell of the design, whatever the seed."""

    baseline: str
    augmenter: str
    alpha: int
    fraction: int
    erasing: bool

    @staticmethod
    def of(cell: Cell) -> "Condition":
        """Leaves the seed out."""
        return Condition(cell.baseline, cell.augmenter, cell.alpha, cell.fraction, cell.erasing)

    @property
    def real(self) -> "Condition":
        """What it is compared with: the same with real photos alone."""
        return Condition(self.baseline, REAL, 1, self.fraction, self.erasing)

    @property
    def made(self) -> str:
        """Says who made the photos, and how many."""
        return "real photos only" if self.augmenter == REAL else f"{self.augmenter} x{self.alpha}"

    @property
    def setting(self) -> str:
        """Says all the rest."""
        erasing = "on" if self.erasing else "off"
        return f"{self.baseline}, random erasing {erasing}, {self.fraction} % of the photos"


Results = Mapping[Cell, Mapping[str, Any]]


def summarize(results: Results, cells: Sequence[Cell], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the runs of an experiment together.

    Args:
        results: Of the runs that are done.
        cells: Of all runs of the design.
        shared: What they share, see `Experiment.describe`.

    Returns:
        As JSON has it: `conditions` with mean and spread over seeds; `comparisons` with real photos
        alone, in `pooled` the same for the mean of all settings of an augmenter, in `between` of
        the first augmenter with the others; `verdicts`, a sentence each; and all `cells`.
    """
    by_condition: dict[Condition, dict[int, Mapping[str, Any]]] = {}
    for cell in cells:
        if cell in results:
            by_condition.setdefault(Condition.of(cell), {})[cell.seed] = results[cell]
    augmented = [one for one in by_condition if one.augmenter != REAL]
    order = list(dict.fromkeys(cell.augmenter for cell in cells if cell.augmenter != REAL))
    comparisons = _compare_all(by_condition, [[(one, one.real)] for one in augmented])
    pooled = _compare_all(by_condition, _pooled(comparisons))
    between = _compare_all(
        by_condition,
        [
            [(one, replace(one, augmenter=other))]
            for one in augmented
            for other in order[1:]
            if one.augmenter == order[0]
        ],
    )
    return {
        "experiment": shared,
        "complete": len(results) == len(cells),
        "runs": {"done": len(results), "planned": len(cells)},
        "alphas": sorted({cell.alpha for cell in cells}),
        "primary": "map",
        "level": LEVEL,
        "verdicts": [one["verdict"] for one in (*pooled, *comparisons)],
        "conditions": [_condition(one, runs) for one, runs in by_condition.items()],
        "comparisons": comparisons,
        "pooled": pooled,
        "between": between,
        "cells": [{**asdict(cell), **results[cell]} for cell in cells if cell in results],
    }


def compare(
    runs: Mapping[Condition, Mapping[int, Mapping[str, Any]]],
    pairs: Sequence[tuple[Condition, Condition]],
) -> dict[str, Any] | None:
    """Compares conditions over the seeds that all have, and over the people tested on.

    Over seeds, every seed gives one difference, since its runs share initial weights and kept
    photos; Student's paired t gives interval and p. Over people, every query's difference is
    averaged over seeds; the bootstrap draws people, each with all of their queries, and p is of
    flipping the sign of all differences of a person.

    Args:
        runs: Results by condition and seed.
        pairs: What is judged and what it is compared with; of several pairs the mean.

    Returns:
        As JSON has it; None if no seed has all.
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
    """Adds p values after Holm's correction: over all comparisons of a metric, in each way.

    Args:
        comparisons: Changed in place.
    """
    for metric in METRICS:
        for way in ("seeds", "people"):
            parts = [one["metrics"][metric][way] for one in comparisons]
            for part, p in zip(parts, holm([part["p"] for part in parts]), strict=True):
                part["p_holm"] = p


def verdict(compared: Mapping[str, Any]) -> str:
    """Says in a sentence what a comparison found for mAP, and how sure that is."""
    first, second = Condition(**compared["first"]), Condition(**compared["second"])
    found = compared["metrics"]["map"]
    difference = found["difference"]
    direction = "raised" if difference > 0 else "lowered"
    sure = {way: found[way]["p_holm"] < LEVEL for way in ("seeds", "people")}
    count = len(compared["seeds"])
    against = "" if second.augmenter == REAL else f" compared with {second.made}"
    if all(sure.values()):
        what = f"{direction} mAP{against} by {_points(abs(difference))} points"
    elif sure["people"]:
        # All queries share the luck of a run's training, which flips of people do not see.
        what = (
            f"has no sure effect on mAP{against}: these runs differ for whichever people are "
            f"tested, but that can be the luck of training, of which {_seeds(count)} show little"
        )
    elif sure["seeds"]:
        what = (
            f"has no sure effect on mAP{against}: the difference is there for every seed, but can "
            "be the luck of who was tested on"
        )
    else:
        what = f"did not measurably change mAP{against}"
    intervals = "; ".join(
        f"over {name} {_interval(found[way]['ci95'])}, p {_p(found[way]['p_holm'])}"
        for way, name in (("seeds", _seeds(count)), ("people", f"{compared['people']} people"))
    )
    values = f"{100 * found['second']:.2f} to {100 * found['first']:.2f} %"
    settings = compared["settings"]
    where = (
        settings[0] if len(settings) == 1 else f"{first.baseline}, mean of {len(settings)} settings"
    )
    return (
        f"{where}: augmentation with {first.made} {what} ({values}, "
        f"{_points(difference, '+')}; {intervals})."
    )


def _compare_all(
    runs: Mapping[Condition, Mapping[int, Mapping[str, Any]]],
    families: Sequence[Sequence[tuple[Condition, Condition]]],
) -> list[dict[str, Any]]:
    """Makes the comparisons that can be made, corrects for their number, and puts them in words."""
    found = [one for pairs in families if (one := compare(runs, pairs)) is not None]
    correct(found)
    for one in found:
        one["verdict"] = verdict(one)
    return found


def _pooled(comparisons: Sequence[Mapping[str, Any]]) -> list[list[tuple[Condition, Condition]]]:
    """Puts the settings of a baseline, an augmenter and an alpha together, where there are some."""
    groups: dict[tuple[str, str, int], list[tuple[Condition, Condition]]] = {}
    for one in comparisons:
        first = Condition(**one["first"])
        key = (first.baseline, first.augmenter, first.alpha)
        groups.setdefault(key, []).append((first, first.real))
    return [pairs for pairs in groups.values() if len(pairs) > 1]


def write_report(report: Mapping[str, Any], figures: Sequence[str]) -> str:
    """Writes a report of `summarize` as Markdown.

    Args:
        report: See there.
        figures: Names of the pictures to show.
    """
    shared, runs = report["experiment"], report["runs"]
    seeds = sorted({cell["seed"] for cell in report["cells"]})
    lines = ["# Do generated photos help Re-ID?", ""]
    if not report["complete"]:
        lines += [
            f"**Unfinished: {runs['done']} of {runs['planned']} runs.** What follows is of those; "
            "comparisons are of the seeds that both sides have.",
            "",
        ]
    lines += ["## Answer", ""]
    # The means over settings come first: they are the surest.
    lines += [
        f"- **{sentence}**" if place < len(report["pooled"]) else f"- {sentence}"
        for place, sentence in enumerate(report["verdicts"])
    ] or ["- Nothing to compare yet."]
    lines += ["", "## What was run", "", *_what_was_run(shared, seeds), ""]
    lines += ["## Scores", "", *_scores(report["conditions"]), ""]
    if report["comparisons"]:
        lines += [
            "## Difference to real photos only",
            "",
            "In percentage points. Each has two intervals and two p values: over seeds, what other "
            "seeds would give (paired t); over people, what other test people would give "
            "(bootstrap of the queries' differences, averaged over seeds, drawn by person; sign "
            "flips by person). p is after Holm's correction, for "
            f"{_count(len(report['comparisons']), 'comparison')} of a setting and, apart from "
            f"them, {len(report['pooled'])} of means of settings; the intervals are not corrected. "
            "mAP was chosen before as what decides.",
            "",
            *_differences([*report["pooled"], *report["comparisons"]]),
            "",
        ]
    lines += [line for name in figures for line in (f"![{name.removesuffix('.png')}]({name})", "")]
    if report["between"]:
        lines += [
            f"## Difference of {report['between'][0]['first']['augmenter']} to other augmenters",
            "",
            f"As above, for mAP alone and corrected for {len(report['between'])} comparisons.",
            "",
            *_differences(report["between"], ("map",), against=True),
            "",
        ]
    lines += ["## What this does not show", "", *_caveats(shared, seeds), ""]
    return "\n".join(lines)


def _what_was_run(shared: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    data = shared["data"]
    lines = [
        f"- Learnt from: {data['photos']} photos of {shared['train_identities']} identities of "
        f"`{data['folder']}`. Tested on: {data['queries']} queries in a gallery of "
        f"{data['gallery']} photos, {shared['test_identities']} identities that nothing here was "
        "trained on; cosine distance, one photo per query, no re-ranking.",
        f"- Seeds: {', '.join(map(str, seeds))}. Runs of one seed share initial weights, kept "
        "photos and, as far as their number of photos allows, the order of batches.",
        "- alpha (x2, x10) is the number of photos over the number of real ones; every kept photo "
        "brings alpha - 1 generated ones, where it has them. All runs of a baseline have the same "
        "number of steps, so more photos mean fewer visits to each.",
        "- A fraction keeps that share of every identity's photos (at least 2, by 2 cameras where "
        "there are), smaller ones within larger ones; generated photos come of kept ones only.",
    ]
    for name, config in shared["baselines"].items():
        height, width = config["size"]
        lines.append(
            f"- {name}: {config['network']}, {config['method']}, {height}x{width}, from "
            f"{shared['start']}; {config['steps']} steps of {config['batch_size']}, "
            f"{config['optimizer']}, learning rate {config['learning_rate']:g}."
        )
    for name, about in shared["augmenters"].items():
        if "folder" in about:
            stray = shared["strays"].get(name, 0)
            more = f", {stray} more are of no photo to learn from" if stray else ""
            lines.append(f"- {name}: {about['pictures']} pictures in `{about['folder']}`{more}.")
        else:
            lines.append(f"- {name}: {_RIVALS.get(about['rival'], about['rival'])}")
    return lines


_RIVALS = {
    "copy": "the same photos again (the control: what more of the same does).",
    "jitter": "copies turned, cut, mirrored and coloured a little otherwise.",
    "affine": "the whole photo moved by one affine transform into another photo's pose.",
}


def _scores(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for baseline, erasing in dict.fromkeys((c["baseline"], c["erasing"]) for c in conditions):
        lines += [
            f"{baseline}, random erasing {'on' if erasing else 'off'}: mean and standard deviation "
            "over seeds, %.",
            "",
            "| photos kept | augmenter | real alpha | photos | seeds | mAP | rank-1 | mINP |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for one in conditions:
            if (one["baseline"], one["erasing"]) != (baseline, erasing):
                continue
            cells = [_spread(one["metrics"][metric]) for metric in METRICS]
            made = Condition(**_key(one)).made
            lines.append(
                f"| {one['fraction']} % | {made} | {one['real_alpha']:.2f} | {one['photos']:.0f} | "
                f"{len(one['seeds'])} | {' | '.join(cells)} |"
            )
        lines.append("")
    return lines[:-1]


def _differences(
    comparisons: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = tuple(METRICS),
    against: bool = False,
) -> list[str]:
    head = "| setting | augmenter | " + ("compared with | " if against else "")
    lines = [
        f"{head}metric | difference | each seed | over seeds | p | over people | p |",
        "| --- " * (9 + against) + "|",
    ]
    for one in comparisons:
        first, second = Condition(**one["first"]), Condition(**one["second"])
        erasing = "on" if first.erasing else "off"
        setting = f"{first.baseline}, erasing {erasing}, {first.fraction} %"
        if len(one["settings"]) > 1:
            setting = f"{first.baseline}, mean of {len(one['settings'])} settings"
        start = f"| {setting} | {first.made} | " + (f"{second.made} | " if against else "")
        for metric in metrics:
            found = one["metrics"][metric]
            each = ", ".join(_points(value, "+") for value in found["by_seed"])
            ways = [
                f"{_interval(found[way]['ci95'])} | {_p(found[way]['p_holm'])}"
                for way in ("seeds", "people")
            ]
            lines.append(
                f"{start}{METRICS[metric]} | {_points(found['difference'], '+')} | {each} | "
                f"{' | '.join(ways)} |"
            )
    return lines


def _caveats(shared: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    lines = []
    if len(seeds) < FEW:
        few = "1 seed is few" if len(seeds) == 1 else f"{len(seeds)} seeds are few"
        lines.append(
            f"- {few}: the interval over seeds is wide, and "
            "only a difference that hardly varies can be told from none. One that is not "
            "measurable here is not shown to be none."
        )
    if shared["test_rule"] == "identity-split":
        lines.append(
            f"- The {shared['test_identities']} test identities are people of the official "
            "*training* folder, kept apart; the gallery is theirs alone. These numbers are not "
            "Market-1501's and must not stand beside published ones."
        )
    if any("folder" in about for about in shared["augmenters"].values()):
        lines.append(
            "- A generator has learnt from all photos of the training identities, also where the "
            "baseline is given a smaller fraction: there it brings knowledge that the baseline "
            "does not have, and poses come from all photos."
        )
        lines.append(
            "- Generated pictures are the same for every seed: the spread over seeds does not hold "
            "that of generating them anew."
        )
    if all(config["network"] == "light" for config in shared["baselines"].values()):
        lines.append(
            "- The baseline is small (0.6 M parameters) and trained from scratch for "
            f"{max(c['steps'] for c in shared['baselines'].values())} steps; the paper's are "
            "ResNet-50 from ImageNet, trained for 50,000 and, with augmentation, 100,000 steps."
        )
    elif shared["start"] == "scratch":
        lines.append(
            "- ResNet-50 learns from scratch here; the paper's starts from ImageNet, and learns "
            "twice as long with augmentation (100,000 steps for 50,000)."
        )
    lines.append(
        "- Equal steps: augmented and real runs cost the same, and neither is trained to the end."
    )
    return lines


def _condition(one: Condition, runs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    of_seeds = list(runs.values())
    return {
        **asdict(one),
        "seeds": list(runs),
        "real_alpha": fmean(run["photos"]["alpha"] for run in of_seeds),
        "photos": fmean(run["photos"]["real"] + run["photos"]["generated"] for run in of_seeds),
        "missing": fmean(run["photos"]["missing"] for run in of_seeds),
        "metrics": {
            metric: {
                "mean": fmean(run["metrics"][metric] for run in of_seeds),
                "sd": stdev(run["metrics"][metric] for run in of_seeds) if len(runs) > 1 else None,
            }
            for metric in METRICS
        },
    }


def _key(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in Condition.__dataclass_fields__}


def _column(run: Mapping[str, Any], metric: str) -> np.ndarray:
    return np.array(run["queries"][metric].split(), dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _spread(number: Mapping[str, Any]) -> str:
    mean = f"{100 * number['mean']:.2f}"
    return mean if number["sd"] is None else f"{mean} ± {100 * number['sd']:.2f}"


def _points(difference: float, sign: str = "") -> str:
    rounded = round(100 * difference, 2) + 0.0  # no "-0.00"
    return f"{rounded:{sign}.2f}"


def _interval(ends: Sequence[float | None]) -> str:
    if ends[0] is None or ends[1] is None:
        return "no interval"
    return f"[{_points(ends[0], '+')}, {_points(ends[1], '+')}]"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _seeds(count: int) -> str:
    return _count(count, "seed")


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
