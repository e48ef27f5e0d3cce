"""Figures of an experiment's report."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from deformgan.draw.plots import Interval, Point, Series, draw_intervals, draw_lines
from deformgan.reid.experiment_runs import REAL


def draw_figures(report: Mapping[str, Any]) -> dict[str, Image.Image]:
    """Draw mAP over the fraction of kept photos, and differences to real photos only.

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
            series = [
                line
                for number, name in enumerate([REAL, *augmenters])
                if (line := _series(mine, name, 1 if name == REAL else alpha, number)) is not None
            ]
            figures[f"map-x{alpha}-{end}"] = draw_lines(
                series,
                f"{title}: mAP on {people} test identities",
                "photos kept per training identity, %",
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


def _series(conditions: list[Any], augmenter: str, alpha: int, number: int) -> Series | None:
    points = [
        Point(
            float(one["fraction"]),
            100 * one["metrics"]["map"]["mean"],
            100 * (one["metrics"]["map"]["sd"] or 0.0),
        )
        for one in sorted(conditions, key=lambda one: one["fraction"])
        if (one["augmenter"], one["alpha"]) == (augmenter, alpha)
    ]
    name = "real photos only" if augmenter == REAL else f"{augmenter}, alpha {alpha}"
    return Series(name, points, number) if points else None


def _row(one: Mapping[str, Any], augmenters: list[str]) -> Interval:
    first, found = one["first"], one["metrics"]["map"]
    thick, thin = (
        None if None in found[way]["ci95"] else tuple(100 * end for end in found[way]["ci95"])
        for way in ("people", "seeds")
    )
    return Interval(
        f"{first['augmenter']}, alpha {first['alpha']}, {first['fraction']} %",
        100 * found["difference"],
        thick,
        thin,
        1 + augmenters.index(first["augmenter"]),
    )


def _note(conditions: list[Any]) -> str:
    counts = sorted({len(one["seeds"]) for one in conditions})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return f"mean and standard deviation over {seeds} seed{'s' if counts[-1] > 1 else ''}"
