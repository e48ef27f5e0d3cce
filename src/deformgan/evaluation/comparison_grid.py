"""draw_grid: selected pairs with every system's picture and score."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from deformgan.draw.colours import INK, PAPER
from deformgan.draw.sheets import GAP, LABEL, Cell, above, beside, label, label_width, pad, titled
from deformgan.errors import InputError
from deformgan.evaluation.comparison import PairKey, Report, better
from deformgan.evaluation.generated_folder import GeneratedFolder
from deformgan.photo_file import read_photo

HEIGHT = 240  # approximate height of a photo in pixels

Picture = UInt8[np.ndarray, "height width 3"]


def choose_pairs(reports: Sequence[Report], metric: str, each: int = 3) -> dict[str, list[PairKey]]:
    """Select the first system's best, median and worst pairs among those common to all systems.

    Args:
        reports: Reports of the systems; pairs are ranked by the numbers of the first.
        metric: Metric to rank by; higher is better if it has no better direction.
        each: Number of pairs of each kind; fewer if there are not enough pairs.
    """
    first = reports[0]
    if metric not in first.numbers:
        raise InputError(
            f"{first.label} has no numbers per pair for {metric!r}; choose one of "
            f"{', '.join(first.numbers) or 'none: its report has no pairs'}."
        )
    shared = set(first.pairs).intersection(*(other.pairs for other in reports[1:]))
    sign = 1 if better(metric) == "lower" else -1
    scores = zip(first.pairs, first.numbers[metric].tolist(), strict=True)
    ranked = sorted(
        (sign * score, key) for key, score in scores if key in shared and not math.isnan(score)
    )
    keys = [key for _, key in ranked]
    each = min(each, max(1, len(keys) // 3))
    last = max(each, len(keys) - each)
    middle = max(each, (len(keys) - each) // 2)
    chosen = {
        "best": keys[:each],
        "median": keys[middle : min(middle + each, last)],
        "worst": keys[last:],
    }
    return {kind: listed for kind, listed in chosen.items() if listed}


def draw_grid(
    reports: Sequence[Report],
    chosen: Mapping[str, Sequence[PairKey]],
    images: Path,
    generated: Mapping[str, Path],
    metric: str,
) -> Image.Image:
    """Draw one row per pair: source, target, and every system's picture with its score.

    Args:
        reports: Reports with the scores.
        chosen: Pairs common to all reports, by kind (see `choose_pairs`).
        images: Folder of the photos.
        generated: Folders of pictures by label, named as in `GeneratedFolder`. Systems without a
            folder have no column; pairs without a valid picture have a blank cell.
        metric: Metric whose scores are written below the pictures.
    """
    shown = [
        (report, GeneratedFolder(generated[report.label], [key[:2] for key in report.pairs]))
        for report in reports
        if report.label in generated
    ]
    rows: dict[str, list[Cell]] = {}
    for kind, keys in chosen.items():
        for key in keys:
            source, target = (read_photo(images / name) for name in key[:2])
            height, width = target.shape[:2]
            zoom = max(1, round(HEIGHT / height))
            size = (zoom * width, zoom * height)
            rows[f"{kind}: {Path(key[0]).stem} to {Path(key[1]).stem}"] = [
                (_resize(source, size), ["source"]),
                (_resize(target, size), ["target"]),
                *(
                    _cell(report, folder, key, (height, width), metric, size)
                    for report, folder in shown
                ),
            ]
    wide = max(label_width(text) for row in rows.values() for _, text in row)
    strips = [
        titled({title: beside([label(*cell, wide, below=True) for cell in row], 2 * GAP)})
        for title, row in rows.items()
    ]
    return pad(above(strips, 2 * GAP), GAP)


def _cell(
    report: Report,
    folder: GeneratedFolder,
    key: PairKey,
    size: tuple[int, int],
    metric: str,
    shown: tuple[int, int],
) -> Cell:
    """Return a system's picture of a pair, blank if there is no valid one, and its caption."""
    row = report.pairs.index(key)
    picture = folder.read(row, size).picture
    score = report.numbers[metric][row].item() if metric in report.numbers else math.nan
    number = "no score" if math.isnan(score) else f"{metric} {score:.3f}"
    cell = _no_picture(shown)
    if picture is not None:
        cell = _resize(picture.permute(1, 2, 0).numpy(), shown)
    return cell, [report.label, number]


def _resize(picture: Picture, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BICUBIC)


def _no_picture(size: tuple[int, int]) -> Image.Image:
    blank = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(blank), ImageFont.load_default(LABEL)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=INK)
    draw.text((size[0] / 2, size[1] / 2), "no picture", INK, font, anchor="mm")
    return blank
