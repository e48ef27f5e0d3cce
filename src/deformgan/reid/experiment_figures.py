"""Figures of an experiment's report."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from deformgan.draw.plots import Interval, Point, Series, draw_intervals, draw_lines
from deformgan.reid.experiment_runs import LONGER, REAL
from deformgan.reid.experiment_summary import Condition, key_of


def draw_figures(report: Mapping[str, Any]) -> dict[str, Image.Image]:
    """Draw mAP over the number of real photos, and differences to real photos only.

    Args:
        report: Report of `summarize`.

    Returns:
        Figures by file name: for every baseline and erasing setting, a line plot per alpha and a
        plot of differences.
    """
    figures = {}
    augmenters = list(report["experiment"]["augmenters"])
    people = report["experiment"]["test_identities"]
    for baseline, erasing in dict.fromkeys(
        (one["baseline"], one["erasing"]) for one in report["conditions"]
    ):
        mine = [
            one
            for one in report["conditions"]
            if (one["baseline"], one["erasing"]) == (baseline, erasing)
        ]
        title = f"{baseline}, random erasing {'on' if erasing else 'off'}"
        end = f"{baseline}-{'erasing' if erasing else 'plain'}.png"
        for alpha in [alpha for alpha in report["alphas"] if alpha > 1] or [1]:
            found = [
                one for one in mine if one["augmenter"] in (REAL, LONGER) or one["alpha"] == alpha
            ]
            series = [
                _series(
                    [one for one in found if Condition(**key_of(one)).made == made], made, number
                )
                for number, made in enumerate(
                    dict.fromkeys(Condition(**key_of(one)).made for one in found)
                )
            ]
            figures[f"map-x{alpha}-{end}"] = draw_lines(
                series,
                f"{title}: mAP on {people} test identities",
                "real photos per training identity",
                "mAP, %",
                _note(mine),
            )
        rows = [
            _row(one, augmenters)
            for one in report["comparisons"]
            if (one["first"]["baseline"], one["first"]["erasing"]) == (baseline, erasing)
        ]
        if rows:
            figures[f"difference-{end}"] = draw_intervals(
                rows,
                f"{title}: mAP gain over real photos only",
                "percentage points",
                "95 % intervals; thick: over test identities, thin: over seeds (paired t)",
            )
    return figures


def _series(conditions: list[Any], name: str, number: int) -> Series:
    points = [
        Point(
            one["per_identity"],
            100 * one["metrics"]["map"]["mean"],
            100 * (one["metrics"]["map"]["sd"] or 0.0),
        )
        for one in sorted(conditions, key=lambda one: one["per_identity"])
    ]
    return Series(name, points, number)


def _row(one: Mapping[str, Any], augmenters: list[str]) -> Interval:
    first, found = Condition(**one["first"]), one["metrics"]["map"]
    thick, thin = (
        None if None in found[way]["ci95"] else tuple(100 * end for end in found[way]["ci95"])
        for way in ("people", "seeds")
    )
    return Interval(
        f"{first.made}, {first.kept}",
        100 * found["difference"],
        thick,
        thin,
        1 + [LONGER, *augmenters].index(first.augmenter),
    )


def _note(conditions: list[Any]) -> str:
    counts = sorted({len(one["seeds"]) for one in conditions})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return f"mean and standard deviation over {seeds} seed{'s' if counts[-1] > 1 else ''}"
