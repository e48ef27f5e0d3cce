"""compare_variants: ablation of the method's parts, as scores, a table and a figure."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.photo_set import PhotoSet
from deformgan.draw.pictures import to_pictures
from deformgan.draw.poses import pose_pictures
from deformgan.draw.sheets import contact_sheet
from deformgan.evaluation.estimate import Estimate, estimate_means, subtract
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.pictures import Judge, generate_pictures, judge_pictures, score_pictures
from deformgan.metrics.sharpness import relative_sharpness
from deformgan.stats.paired import paired_difference

Scores = dict[str, Float[Tensor, "pairs"]]

# On Market-1501's 12,000 test pairs, with 61 M parameters after 360,000 samples. Only the row
# "full" was checked against another paper; the others are recalled from memory.
PAPER = {
    "baseline": {"ssim": 0.256, "mask_ssim": 0.784},
    "dsc": {"ssim": 0.272, "mask_ssim": 0.796},
    "percloss": {"ssim": 0.276, "mask_ssim": 0.788},
    "full": {"ssim": 0.290, "mask_ssim": 0.805},
}
WHAT = {
    "ssim": "structural similarity to the target photo, at most 1",
    "mask_ssim": "structural similarity of the person on black, at most 1",
    "l1": "mean absolute difference to the target photo; lower is better",
    "psnr": "peak signal-to-noise ratio to the target photo, in decibels",
    "sharpness": "sharpness of the person relative to the target photo; 1 is best",
    "pckh_movenet": "share of the target joints that MoveNet detects in place",
    "identity_osnet": "cosine similarity of OSNet's embeddings of picture and target photo",
}
DETECTION = "highest person score of a detector"
SHOWN, ZOOM, WIDE = 8, 2, 8


def paint_variants(
    files: Mapping[str, Path],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    device: str | torch.device = "cpu",
) -> dict[str, UInt8[Tensor, "pairs 3 height width"]]:
    """Generate all pairs with the trained generator of every variant; see `generate_pictures`."""
    return {
        name: generate_pictures(load_generator(file, device)[0], people, pairs)
        for name, file in files.items()
    }


def compare_variants(
    pictures: Mapping[str, UInt8[Tensor, "pairs 3 height width"]],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    judges: Mapping[str, Judge],
) -> dict[str, Any]:
    """Score the pictures of all variants, and their paired differences from the first.

    Args:
        pictures: Generated pictures of every variant, one per pair.
        people: Photos and poses of the test split.
        pairs: Indices of source and target.
        judges: Judges by metric name.

    Returns:
        `metrics` and `minus_first` (difference from the first) of every variant, `metrics` of the
        unchanged source photos as a baseline (`copy`), and the `order` of the paper's rows. All
        intervals are over people.
    """
    shown = [people.identities[target] for target in pairs[:, 1].tolist()]
    asked = people.poses[pairs[:, 1]].visible.sum(dim=1)
    outputs = {**pictures, "copy": people.images[pairs[:, 0]]}
    scores: dict[str, Scores] = {
        name: score_pictures(images, people, pairs)
        | {"sharpness": _sharpness(images, people, pairs)}
        | judge_pictures(images, people, pairs, judges)
        for name, images in outputs.items()
    }
    first = scores[next(iter(pictures))]
    variants: dict[str, dict[str, Any]] = {}
    for name in pictures:
        difference = estimate_means(subtract(scores[name], first), shown, asked)
        variants[name] = {
            "metrics": _described(estimate_means(scores[name], shown, asked)),
            "minus_first": _described(difference),
        }
    return {
        "variants": variants,
        "copy": {"metrics": _described(estimate_means(scores["copy"], shown, asked))},
        "order": compare_order(scores, shown),
    }


def compare_order(scores: Mapping[str, Scores], shown: Sequence[str]) -> dict[str, Any]:
    """Compare our ranking of the paper's rows with the paper's.

    Args:
        scores: Scores of the variants; those that the paper lacks are ignored.
        shown: Identity of the person in each pair.

    Returns:
        By metric: both rankings, best first; and for every two rows our difference, its interval
        over people, the paper's difference, and a verdict: "same", "opposite", or "not told apart"
        if the interval contains 0.
    """
    rows = [name for name in PAPER if name in scores]
    found: dict[str, Any] = {}
    for metric in ("ssim", "mask_ssim"):
        means = {name: scores[name][metric].double().mean().item() for name in rows}
        comparisons = {}
        for worse, better in combinations(sorted(rows, key=lambda r: PAPER[r][metric]), 2):
            value, low, high = paired_difference(
                scores[better][metric], scores[worse][metric], clusters=shown
            )
            verdict = "same" if low > 0 else "opposite" if high < 0 else "not told apart"
            comparisons[f"{better} minus {worse}"] = {
                "value": value,
                "ci95": [low, high],
                "paper": round(PAPER[better][metric] - PAPER[worse][metric], 3),
                "verdict": verdict,
            }
        found[metric] = {
            "ours": sorted(rows, key=means.__getitem__, reverse=True),
            "paper": sorted(rows, key=lambda row: PAPER[row][metric], reverse=True),
            "comparisons": comparisons,
        }
    return found


def write_table(report: Mapping[str, Any]) -> str:
    """Format a report of `compare_variants` as Markdown.

    Args:
        report: The report with `protocol` and, for every variant, `samples` added.
    """
    protocol, variants = report["protocol"], report["variants"]
    metrics = list(next(iter(variants.values()))["metrics"])
    first = next(iter(variants))
    papers = ["ssim", "mask_ssim"] if any(name in PAPER for name in variants) else []
    lines = [
        f"# Ablation of {report['base']['recipe']}",
        "",
        f"{protocol['pairs']} pairs of {protocol['identities']} people of {protocol['data']} that "
        f"were not used for training ({protocol['split']}). Every variant saw the same "
        f"{protocol['samples']} samples in the same order, from {_begun(report)}. "
        "Means with 95 % bootstrap intervals over people.",
        "",
        f"| | {' | '.join(metrics + [f'paper (recalled): {metric}' for metric in papers])} |",
        f"| --- |{' --- |' * (len(metrics) + len(papers))}",
    ]
    for name, variant in {**variants, "source photo": report["copy"]}.items():
        cells = [_cell(variant["metrics"][metric]) for metric in metrics]
        theirs = [f"{PAPER[name][metric]:.3f}" if name in PAPER else "" for metric in papers]
        lines.append(f"| {name} | {' | '.join(cells + theirs)} |")
    if papers:
        lines += [
            "",
            "The paper's numbers are for 61 M parameters after 360,000 samples, on Market-1501's "
            "whole test set; all rows except full are recalled from memory.",
        ]
    if len(variants) > 1:
        lines += [
            "",
            f"## Paired difference from {first}",
            "",
            f"| | {' | '.join(metrics)} |",
            f"| --- |{' --- |' * len(metrics)}",
        ]
        for name, variant in list(variants.items())[1:]:
            cells = [_cell(variant["minus_first"][metric], "+") for metric in metrics]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    for metric, order in report["order"].items():
        if len(order["ours"]) > 1:
            lines += [
                "",
                f"## Order by {metric}, best first",
                "",
                f"Here {', '.join(order['ours'])}; in the paper (recalled) "
                f"{', '.join(order['paper'])}.",
                "",
                "| | here | in the paper (recalled) | order |",
                "| --- | --- | --- | --- |",
            ]
            lines += [
                f"| {name} | {_cell(found, '+')} | {found['paper']:+.3f} | {found['verdict']} |"
                for name, found in order["comparisons"].items()
            ]
    return "\n".join(lines) + "\n"


def draw_figure(
    pictures: Mapping[str, UInt8[Tensor, "pairs 3 height width"]],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
) -> Image.Image:
    """Draw the first pair of several people: source, pose, target and each variant's picture."""
    rows: dict[str, int] = {}
    for row, target in enumerate(pairs[:, 1].tolist()):
        rows.setdefault(people.identities[target], row)
    chosen = list(rows.values())[:SHOWN]
    source, target = pairs[chosen].unbind(dim=1)
    zoom = ZOOM if people.size[0] < 256 else 1
    columns = {
        "source": to_pictures(people.images[source], zoom),
        "pose": pose_pictures(people.poses[target], people.size, zoom, people.skeleton),
        "target": to_pictures(people.images[target], zoom),
        **{name: to_pictures(images[chosen], zoom) for name, images in pictures.items()},
    }
    strips = 2 if len(columns) <= WIDE and len(chosen) > 1 else 1
    return contact_sheet(list(columns), list(zip(*columns.values(), strict=True)), strips)


def _sharpness(
    images: UInt8[Tensor, "pairs 3 height width"],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
) -> Float[Tensor, "pairs"]:
    targets = pairs[:, 1]
    mask = person_mask(people.poses[targets], people.size, people.skeleton)
    found = relative_sharpness(images, people.images[targets], mask)
    # NaN means that the real person is uniform: no picture can be less sharp.
    return found.nan_to_num(nan=1.0)


def _described(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "value": estimate.value,
            "ci95": list(estimate.identities),
            "what": WHAT.get(name, DETECTION),
        }
        for name, estimate in estimates.items()
    }


def _begun(report: Mapping[str, Any]) -> str:
    """Describe the initial weights of every variant."""
    seed, init = f"seed {report['base']['seed']}", report["protocol"].get("init")
    return seed if init is None else f"the weights {init} and, for missing ones, {seed}"


def _cell(number: Mapping[str, Any], sign: str = "") -> str:
    low, high = number["ci95"]
    return f"{number['value']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
