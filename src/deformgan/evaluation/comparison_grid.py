"""draw_grid: selected pairs with every system's picture and score."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from deformgan.errors import InputError
from deformgan.evaluation.comparison import PairKey, Report, better
from deformgan.evaluation.contact_sheet import GAP, INK
from deformgan.evaluation.generated_folder import GeneratedFolder
from deformgan.framing import read_photo

# In pixels: approximate height of a photo, font size, line height.
HEIGHT, FONT, LINE = 240, 14, 17

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
    strips = []
    for kind, keys in chosen.items():
        for key in keys:
            source, target = (read_photo(images / name) for name in key[:2])
            height, width = target.shape[:2]
            cells = [
                (source, "source"),
                (target, "target"),
                *(_cell(report, folder, key, (height, width), metric) for report, folder in shown),
            ]
            strips.append(_strip(f"{kind}: {Path(key[0]).stem}\nto {Path(key[1]).stem}", cells))
    sheet = Image.new(
        "RGB",
        (max(strip.width for strip in strips), sum(strip.height for strip in strips)),
        "white",
    )
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def _cell(
    report: Report, folder: GeneratedFolder, key: PairKey, size: tuple[int, int], metric: str
) -> tuple[Picture | None, str]:
    """Return a system's picture of a pair, or None if there is no valid one, and its caption."""
    row = report.pairs.index(key)
    picture = folder.read(row, size).picture
    score = report.numbers[metric][row].item() if metric in report.numbers else math.nan
    number = "no score" if math.isnan(score) else f"{metric} {score:.3f}"
    pixels = None if picture is None else picture.permute(1, 2, 0).numpy()
    return pixels, f"{report.label}\n{number}"


def _strip(name: str, cells: Sequence[tuple[Picture | None, str]]) -> Image.Image:
    """Draw one row of the grid: a title, then captioned source, target and generated pictures."""
    target = cells[1][0]
    assert target is not None
    font = ImageFont.load_default(FONT)
    zoom = max(1, round(HEIGHT / target.shape[0]))
    height, width = (zoom * length for length in target.shape[:2])
    words = [line for _, caption in cells for line in caption.splitlines()]
    column = math.ceil(max(width, *map(font.getlength, words))) + 2 * GAP
    wide = math.ceil(max(column * len(cells), *map(font.getlength, name.splitlines()))) + 2 * GAP
    strip = Image.new("RGB", (wide, height + 4 * LINE + 4 * GAP), "white")
    draw = ImageDraw.Draw(strip)
    draw.text((GAP, GAP), name, INK, font)
    top = 2 * LINE + 2 * GAP
    for place, (picture, caption) in enumerate(cells):
        left = place * column + (column - width) // 2
        if picture is None:
            draw.rectangle((left, top, left + width - 1, top + height - 1), outline=INK)
            draw.text((left + width / 2, top + height / 2), "no picture", INK, font, anchor="mm")
        else:
            image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
            strip.paste(image, (left, top))
        below = (place * column + column / 2, top + height + GAP / 2)
        draw.text(below, caption, INK, font, anchor="ma", align="center")
    return strip
