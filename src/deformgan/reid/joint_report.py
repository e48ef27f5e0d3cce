"""One report over several experiments: how to use generated photos, and how sure that is."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from deformgan.draw.plots import Interval, draw_intervals
from deformgan.errors import InputError
from deformgan.files import read_back
from deformgan.reid.entries import BESIDE
from deformgan.reid.experiment_runs import LONGER
from deformgan.reid.experiment_summary import (
    METRICS,
    Condition,
    correct,
    format_interval,
    format_p,
    format_points,
    key_of,
    verdict,
)

SOURCE = "experiment.json"

# What may differ between two conditions, with the question that it answers.
FACTORS = {
    "amount": "How many generated photos?",
    "labels": "Which labels?",
    "policy": "Which poses?",
    "background": "Which scenes?",
    "entry": "Which schedule?",
    "source": "Which pictures, and do they beat the controls?",
    "weights": "Does the quality of the pictures matter?",
    "kept": "How many real photos per person?",
    "baseline": "Which network?",
    "data": "Which data set?",
}


# Factors that are settings of `reid augment`.
_MADE = ("weights", "policy", "background", "labels")


@dataclass(frozen=True)
class Arm:
    """A condition with added photos, or more steps, against real photos alone.

    Attributes:
        factors: A value for each of `FACTORS`.
        comparison: Its entry in `comparisons` of the experiment's report.
        cell: Its entry in `conditions`.
        real: The entry of real photos alone.
        settings: Configuration of the baseline.
        made: Description of the augmenter; empty for more steps.
        teacher: Name of the teacher, if one labelled the photos.
    """

    factors: Mapping[str, str]
    comparison: dict[str, Any]
    cell: Mapping[str, Any]
    real: Mapping[str, Any]
    settings: Mapping[str, Any]
    made: Mapping[str, Any]
    teacher: str | None

    @property
    def found(self) -> Mapping[str, Any]:
        """Difference in mAP, with intervals and p values."""
        return self.comparison["metrics"]["map"]

    @property
    def of_generator(self) -> bool:
        """Whether a generator made the photos."""
        return "folder" in self.made

    def name(self, without: Iterable[str] = ()) -> str:
        """Return the factors in words, without some of them."""
        order = ("source", *_MADE, "amount", "entry", "kept", "baseline", "data")
        left_out = {*without}
        words = [self.factors[name] for name in order if name not in left_out]
        return ", ".join(word for word in words if word)


def read_arms(folders: Sequence[Path]) -> list[Arm]:
    """Read the arms of several experiments, with p values corrected over all of them.

    Args:
        folders: Output folders of `reid experiment`.

    Raises:
        InputError: If one has no report, or none has a comparison.
    """
    arms = []
    for folder in folders:
        path = folder / SOURCE
        if not path.is_file():
            raise InputError(f"{folder} has no {SOURCE}; `deformgan reid experiment` writes it.")
        with read_back(path, "run `deformgan reid experiment` again"):
            arms += _arms(json.loads(path.read_text(encoding="utf-8")))
    if not arms:
        raise InputError(
            f"Nothing to report: no experiment in {', '.join(map(str, folders))} has finished runs "
            "both with added photos and without."
        )
    correct([arm.comparison for arm in arms])
    for arm in arms:
        arm.comparison["verdict"] = verdict(arm.comparison)
    return arms


def _arms(report: Mapping[str, Any]) -> list[Arm]:
    shared = report["experiment"]
    cells = {Condition(**key_of(cell)): cell for cell in report["conditions"]}
    arms = []
    for comparison in report["comparisons"]:
        condition = Condition(**comparison["first"])
        made = shared["augmenters"].get(condition.augmenter, {})
        settings = shared["baselines"][condition.baseline]
        teacher = shared["teacher"] if made else None
        data = shared["data"]
        tested = data.get("test_folder", data["folder"])
        across = "" if tested == data["folder"] else f", tested on {tested}"
        arms.append(
            Arm(
                {
                    "amount": _amount(condition, settings),
                    "labels": "teacher's labels" if teacher else _labels(made),
                    "policy": f"{made['policy']} poses" if "policy" in made else "",
                    "background": f"{made.get('background', 'paint')} scenes"
                    if "policy" in made
                    else "",
                    "entry": _entry(condition, settings),
                    "source": "generated" if "folder" in made else condition.augmenter,
                    "weights": made.get("weights", made.get("folder", "")),
                    "kept": condition.kept,
                    "baseline": condition.baseline + (", erasing" if condition.erasing else ""),
                    "data": data["folder"] + across,
                },
                comparison,
                cells[condition],
                cells[condition.real],
                settings,
                made,
                teacher,
            )
        )
    return arms


def _labels(made: Mapping[str, Any]) -> str:
    return f"{made['labels']} labels" if "labels" in made else ""


def _amount(condition: Condition, settings: Mapping[str, Any]) -> str:
    if condition.augmenter == LONGER:
        return ""
    beside = f", {settings['added']} per step" if condition.entry in BESIDE else ""
    return f"x{condition.alpha}{beside}"


def _entry(condition: Condition, settings: Mapping[str, Any]) -> str:
    words = [condition.entry]
    if condition.entry in ("late", "first"):
        words.append(f"at {settings['switch']:.0%}")
    if condition.entry in BESIDE and condition.augmenter != LONGER:
        if settings["added_weight"] != 1:
            words.append(f"weight {settings['added_weight']:g}")
        if settings["ramp"]:
            words.append(f"ramp {settings['ramp']:.0%}")
        if settings["added_statistics"] == "shared":
            words.append("shared statistics")
    return " ".join(words)


def vary(arms: Sequence[Arm], factor: str) -> list[list[Arm]]:
    """Group arms that differ in one factor only; groups of one are left out.

    Schedules may add other amounts. For "source", a generator's pictures are compared with copies,
    jitter and more steps whatever weights, poses and labels they have.
    """
    ignored = {
        factor,
        *{"entry": ("amount",), "source": ("amount", *_MADE)}.get(factor, ()),
    }
    groups: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms:
        if factor != "source" and not arm.of_generator:
            continue
        entry = arm.comparison["first"]["entry"] if factor == "source" else arm.factors["entry"]
        key = tuple(
            entry if name == "entry" else arm.factors[name]
            for name in FACTORS
            if name not in ignored
        )
        groups.setdefault(key, []).append(arm)
    return [group for group in groups.values() if len({arm.factors[factor] for arm in group}) > 1]


def draw_factors(arms: Sequence[Arm]) -> dict[str, Image.Image]:
    """Draw a plot per factor that varies, and one of all arms, by file name."""
    figures = {}
    for factor, question in FACTORS.items():
        rows = [arm for group in vary(arms, factor) for arm in group]
        if rows:
            figures[f"{factor}.png"] = _draw(rows, question)
    figures["all.png"] = _draw(sorted(arms, key=_gain), "All arms")
    return figures


def shared_factors(arms: Sequence[Arm]) -> list[str]:
    """Return the factors in which arms do not differ."""
    return [name for name in FACTORS if len({arm.factors[name] for arm in arms}) == 1]


def _gain(arm: Arm) -> float:
    return -arm.found["difference"]


def _sureness(arm: Arm) -> tuple[int, float]:
    return -len(arm.comparison["seeds"]), _gain(arm)


def _draw(arms: Sequence[Arm], title: str) -> Image.Image:
    rows, shared = [], shared_factors(arms)
    for number, arm in enumerate(arms):
        thick, thin = (
            None if None in ends else (100 * ends[0], 100 * ends[1])
            for ends in (arm.found["people"]["ci95"], arm.found["seeds"]["ci95"])
        )
        rows.append(
            Interval(
                arm.name(shared) or arm.name(), 100 * arm.found["difference"], thick, thin, number
            )
        )
    return draw_intervals(
        rows,
        title,
        "gain in mAP, percentage points",
        "95 % intervals; thick: over test identities, thin: over seeds (paired t)",
    )


def write_joint_report(arms: Sequence[Arm], figures: Iterable[str]) -> str:
    """Return the report as Markdown.

    Args:
        arms: From `read_arms`.
        figures: File names of `draw_factors`.
    """
    lines = ["# Do generated photos help Re-ID, and how to use them", "", "## Does it help?", ""]
    # A screening of one seed is no answer where there are more.
    best = min((arm for arm in arms if arm.of_generator), key=_sureness, default=None)
    if best is None:
        lines += ["No arm with photos of a generator has finished.", ""]
    else:
        lines += [f"The best arm with generated photos and the most seeds: {best.name()}.", ""]
        lines += [f"**{best.comparison['verdict']}**", "", *_how_sure(best, len(arms)), ""]
        rivals = [
            rival
            for group in vary(arms, "source")
            if best in group
            for rival in group
            if not rival.of_generator
        ]
        for rival in rivals:
            lines.append(
                f"- {rival.name(('kept', 'baseline', 'data'))}: "
                f"{format_points(rival.found['difference'], '+')} points, where the generated "
                f"photos have {format_points(best.found['difference'], '+')}."
            )
        lines += ["", "To repeat it:", "", "```bash", *_commands(best), "```", ""]
    for factor, question in FACTORS.items():
        if (name := f"{factor}.png") in figures:
            lines += [f"## {question}", "", f"![{factor}]({name})", ""]
            lines += [*_answer(arms, factor), ""]
    shared = shared_factors(arms)
    common = ", ".join(word for name in shared if (word := arms[0].factors[name]))
    lines += [
        "## All arms",
        "",
        "![all](all.png)",
        "",
        *([f"All have: {common}.", ""] if common else []),
        "Difference to real photos alone, in percentage points: mean over seeds; intervals of 95 % "
        "over seeds and over test people; p values Holm-corrected over all arms of this page. "
        "Exposures: how often a run saw real and generated photos.",
        "",
        "| arm | mAP | with | rank-1 | seeds | over seeds | p | over people | p | real seen "
        "| generated seen | steps | seconds |",
        "| --- " * 13 + "|",
        *(_row(arm, shared) for arm in sorted(arms, key=_gain)),
        "",
    ]
    return "\n".join(lines)


def _how_sure(arm: Arm, total: int) -> list[str]:
    seeds = len(arm.comparison["seeds"])
    lines = [
        f"How sure: {seeds} seed{'s' if seeds > 1 else ''}, {arm.comparison['people']} test "
        f"people. It is the best of {total} arms, so part of its lead is luck; p values are "
        "corrected for that, intervals are not."
    ]
    if seeds < 3:
        lines.append("With so few seeds this is a screening, not a result.")
    return lines


def _answer(arms: Sequence[Arm], factor: str) -> list[str]:
    """Return a line per group: what its arms have in common, and they in order of their gain."""
    lines, everywhere = [], shared_factors(arms)
    for group in vary(arms, factor):
        ranked, shared = sorted(group, key=_gain), shared_factors(group)
        title = group[0].name(name for name in FACTORS if name not in shared or name in everywhere)
        gains = "; ".join(
            f"{arm.name(shared) if factor == 'source' else arm.factors[factor]} "
            f"{format_points(arm.found['difference'], '+')}"
            for arm in ranked
        )
        lines.append(f"- {title}: {gains}." if title else f"- {gains}.")
    return lines


def _commands(arm: Arm) -> list[str]:
    """Return the commands that repeat an arm on other data."""
    made, settings = arm.made, arm.settings
    entry = arm.comparison["first"]["entry"]
    alpha = arm.comparison["first"]["alpha"]
    augment = [f"deformgan reid augment --data DATA --per-image {alpha - 1}"]
    augment += [f"--{name.replace('_', '-')} {made[name]}" for name in _MADE if name in made]
    train = [f"deformgan reid train {arm.comparison['first']['baseline']} --data DATA_MORE"]
    train.append(f"--entry {entry} --steps {settings['steps']}")
    if entry in ("late", "first"):
        train.append(f"--switch {settings['switch']:g}")
    if entry in BESIDE:
        train += [
            f"--{name.replace('_', '-')} {settings[name]}"
            for name in ("added", "added_weight", "added_smoothing", "added_statistics", "ramp")
        ]
    if arm.teacher is not None:
        train.append(f"--teacher {arm.teacher}")
    return [" ".join([*augment, "--out DATA_MORE"]), " ".join([*train, "--out runs/reid"])]


def _row(arm: Arm, shared: Sequence[str]) -> str:
    found, rank1, seen = arm.found, arm.comparison["metrics"]["rank1"], arm.cell["seen"]
    cells = [
        arm.name(shared) or arm.name(),
        f"{100 * found['second']:.2f}",
        f"{100 * found['first']:.2f} ({format_points(found['difference'], '+')})",
        format_points(rank1["difference"], "+"),
        str(len(arm.comparison["seeds"])),
        format_interval(found["seeds"]["ci95"]),
        format_p(found["seeds"]["p_holm"]),
        format_interval(found["people"]["ci95"]),
        format_p(found["people"]["p_holm"]),
        f"{seen['real']:.0f} ({arm.real['seen']['real']:.0f} without)",
        f"{seen['generated']:.0f}",
        f"{seen['steps']:.0f}",
        f"{arm.cell['seconds']:.0f} ({arm.real['seconds']:.0f})",
    ]
    return f"| {' | '.join(cells)} |"


def summarize_arms(arms: Sequence[Arm]) -> dict[str, Any]:
    """Return the arms as JSON-serializable data, the largest gain first."""
    return {
        "arms": [
            {
                **arm.factors,
                "seeds": arm.comparison["seeds"],
                "people": arm.comparison["people"],
                "seen": arm.cell["seen"],
                "metrics": {name: arm.comparison["metrics"][name] for name in METRICS},
                "verdict": arm.comparison["verdict"],
            }
            for arm in sorted(arms, key=_gain)
        ]
    }
