"""The command `deformgan compare`."""

import sys
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deformgan.cli.outputs import output_dir, output_file
from deformgan.errors import InputError
from deformgan.files import write_image, write_json, write_text

if TYPE_CHECKING:
    from deformgan.evaluation.comparison import Report

MARKDOWN, LATEX, REPORT, GRID = "table.md", "table.tex", "comparison.json", "grid.png"


def compare(
    reports: tuple[str, ...],
    /,
    *,
    out: Path | None = None,
    images: Path | None = None,
    generated: tuple[str, ...] = (),
    json: Path | None = None,
    format: Literal["markdown", "latex", "json"] = "markdown",
    metric: str = "ssim",
    only: tuple[str, ...] = (),
    across_protocols: bool = False,
) -> None:
    """Compare evaluation reports, with significance tests.

    Shows every metric of every system with its 95 % interval, the best in bold, and the difference
    of each system to the first over the pairs that both were scored on, with interval and p-value
    corrected for the number of comparisons.

    Args:
        reports: Two or more reports of `deformgan evaluate`: FILE, or NAME=FILE to name the system
            in the table.
        out: Folder for table.md, table.tex, comparison.json and, with --images, grid.png with the
            best, median and worst pairs of the first system (created if missing).
        images: Folder of the source and target photos, for grid.png.
        generated: Pictures of a system as NAME=DIR, in a form that `evaluate` reads; needed if its
            report does not name their folder.
        json: Where to write the comparison as JSON.
        format: Format of the printed comparison.
        metric: Metric by which the best, median and worst pairs of grid.png are chosen.
        only: Metrics to compare; by default all. The fewer metrics, the weaker the correction of
            the p-values.
        across_protocols: Compare reports of different protocols too, with a note in the table.
    """
    if json is not None:
        output_file(json)
    if len(reports) < 2:
        raise InputError(f"A comparison needs two or more reports, got {len(reports)}.")
    if images is not None and out is None:
        raise InputError("--images draws grid.png, which needs a folder; add --out DIR.")
    if images is not None and not images.is_dir():
        raise InputError(f"The folder of images {images} does not exist.")
    files = [_named(word) for word in reports]

    from deformgan.evaluation.comparison import Report, compare_reports
    from deformgan.evaluation.comparison_grid import choose_pairs, draw_grid
    from deformgan.evaluation.comparison_tables import write_latex, write_markdown

    systems = [Report.read(file, label) for label, file in files]
    folders = _folders(systems, generated)
    comparison = compare_reports(systems, across_protocols, only)
    grid = None
    if images is not None:
        if not folders:
            raise InputError("No pictures found for any system; add --generated NAME=DIR.")
        chosen = choose_pairs(systems, metric)
        if not chosen:
            raise InputError(f"No pair has a score for {metric} in all reports: no grid to draw.")
        for name in (report.label for report in systems if report.label not in folders):
            print(f"no pictures of {name} in the grid; add --generated {name}=DIR", file=sys.stderr)
        grid = draw_grid(systems, chosen, images, folders, metric)
    texts = {MARKDOWN: write_markdown(comparison), LATEX: write_latex(comparison)}
    if out is not None:
        output_dir(out)
        for name, text in texts.items():
            write_text(out / name, text)
        write_json(out / REPORT, comparison)
    if out is not None and grid is not None:
        write_image(out / GRID, grid)
    if json is not None:
        write_json(json, comparison)
    if format == "json":
        print(dumps(comparison, indent=2, allow_nan=False))
    else:
        print(texts[MARKDOWN if format == "markdown" else LATEX], end="")


def _named(word: str) -> tuple[str, Path]:
    """Parse FILE or NAME=FILE."""
    label, equals, file = word.partition("=")
    if equals and label and file and not Path(word).exists():
        return label, Path(file)
    return Path(word).stem, Path(word)


def _folders(systems: "Sequence[Report]", generated: Sequence[str]) -> dict[str, Path]:
    """Return each system's folder of pictures: from `--generated`, or else from its report."""
    folders = {}
    for report in systems:
        told = report.system.get("generated")
        if isinstance(told, str) and Path(told).is_dir():
            folders[report.label] = Path(told)
    labels = [report.label for report in systems]
    for word in generated:
        label, equals, folder = word.partition("=")
        if not equals or label not in labels:
            raise InputError(
                f"--generated takes NAME=DIR with NAME one of {', '.join(labels)}, got {word!r}."
            )
        if not Path(folder).is_dir():
            raise InputError(f"The folder of pictures {folder} does not exist.")
        folders[label] = Path(folder)
    return folders
