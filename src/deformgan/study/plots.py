"""Figures of a study's report."""

from typing import Any

from PIL import Image

from deformgan.draw.plots import Interval, draw_intervals

_LABELS = {"r2g": "R2G", "g2r": "G2R", "preferred": "preferred"}


def draw_shares(report: dict[str, Any]) -> Image.Image:
    """Draw every proportion with both intervals, next to the paper's.

    Args:
        report: Report of `summarize`.
    """
    rows = [
        Interval(
            f"{_LABELS[name]} (here)",
            100 * share["value"],
            _percent(share["wilson95"]),
            _percent(share["people95"]),
            colour=1 + number,
        )
        for number, (name, share) in enumerate(report["shares"].items())
    ]
    for data, systems in report.get("paper", {}).items():
        for system, values in systems.items():
            rows += [
                Interval(f"{label}, {system}, {data}", value, None, None, colour=0, mark=2)
                for label, value in zip(("R2G", "G2R"), values, strict=True)
            ]
    return draw_intervals(
        rows,
        report["study"].get("title", "Study"),
        "% of answers",
        "95 % intervals; thick: Wilson, independent answers; thin: over participants.",
        sign="",
    )


def draw_participants(report: dict[str, Any]) -> Image.Image:
    """Draw every participant's proportions with their intervals.

    Args:
        report: Report of `summarize`.
    """
    rows = [
        Interval(
            f"{_LABELS[name]}, participant {one['participant']}",
            100 * one[name],
            _percent(one[f"{name}_wilson95"]),
            None,
            colour=1 + number,
        )
        for number, name in enumerate(report["shares"])
        for one in report["participants"]
        if one[name] is not None
    ]
    return draw_intervals(rows, "By participant", "% of answers", "Bars: 95 % Wilson.", "")


def _percent(ends: list[float] | None) -> tuple[float, float] | None:
    return None if ends is None else (100 * ends[0], 100 * ends[1])
