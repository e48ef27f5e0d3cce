"""Markdown report of an experiment."""

from collections.abc import Mapping, Sequence
from typing import Any

from deformgan.reid.experiment_runs import LONGER
from deformgan.reid.experiment_summary import (
    METRICS,
    Condition,
    count_of,
    format_interval,
    format_p,
    format_points,
    key_of,
)

FEW = 5  # the report warns about fewer seeds than this


def write_report(report: Mapping[str, Any], figures: Sequence[str]) -> str:
    """Return the report of `summarize` as Markdown.

    Args:
        report: Report of `summarize`.
        figures: File names of the figures to include.
    """
    shared, runs = report["experiment"], report["runs"]
    seeds = sorted({cell["seed"] for cell in report["results"]})
    entries = sorted({cell["entry"] for cell in report["results"]} - {"none"})
    longer = any(cell["augmenter"] == LONGER for cell in report["results"])
    lines = ["# Do generated photos help Re-ID?", ""]
    if not report["complete"]:
        lines += [
            f"**Unfinished: {runs['done']} of {runs['planned']} runs.** Results are of these runs "
            "only; comparisons use the seeds that both sides have.",
            "",
        ]
    lines += ["## Answer", ""]
    # Means over settings come first: they are the most reliable.
    lines += [
        f"- **{sentence}**" if place < len(report["pooled"]) else f"- {sentence}"
        for place, sentence in enumerate(report["verdicts"])
    ] or ["- Nothing to compare yet."]
    lines += ["", "## What was run", "", *_what_was_run(shared, seeds, entries, longer), ""]
    lines += ["## Scores", "", *_scores(report["conditions"]), ""]
    if report["comparisons"]:
        lines += [
            "## Difference to real photos only",
            "",
            "In percentage points, each with two intervals and p values: over seeds (paired t "
            "test) and over test people (bootstrap of the queries' differences, averaged over "
            "seeds and resampled by person; sign-flip test by person). p values are "
            "Holm-corrected, separately for "
            f"{count_of(len(report['comparisons']), 'comparison')} of single settings and "
            f"{len(report['pooled'])} of means over settings; intervals are not corrected. "
            "mAP was chosen as the primary metric in advance.",
            "",
            *_differences([*report["pooled"], *report["comparisons"]]),
            "",
        ]
    lines += [line for name in figures for line in (f"![{name.removesuffix('.png')}]({name})", "")]
    if report["between"]:
        lines += [
            f"## Difference between {report['between'][0]['first']['augmenter']} and other "
            "augmenters",
            "",
            f"As above, for mAP only, corrected for {len(report['between'])} comparisons.",
            "",
            *_differences(report["between"], ("map",), against=True),
            "",
        ]
    lines += ["## What this does not show", "", *_caveats(shared, seeds), ""]
    return "\n".join(lines)


def _how_they_enter(shared: Mapping[str, Any], entries: Sequence[str], longer: bool) -> list[str]:
    """Describe the entries of an experiment."""
    settings = next(iter(shared["baselines"].values()))
    beside = (
        f"{settings['added']} generated photos beside each batch of {settings['batch_size']} real "
        f"ones, weight {settings['added_weight']:g}, label smoothing "
        f"{settings['added_smoothing']:g}, {settings['added_statistics']} batch statistics"
    )
    described = {
        "mixed": "one pool; at equal steps, each real photo is seen less often.",
        "on-top": f"{beside}. Real photos are seen as often as without.",
        "late": f"the same from {settings['switch']:.0%} of the steps on"
        + (f", the weight rising over {settings['ramp']:.0%}." if settings["ramp"] else "."),
        "first": f"generated photos alone for {settings['switch']:.0%} of the steps, then real "
        "ones.",
    }
    lines = [f"- {name}: {described[name]}" for name in entries]
    if longer:
        lines.append("- more steps: real photos alone, at the cost of the entry that is named.")
    if shared["teacher"] is not None:
        lines.append(f"- Generated photos are labelled by a teacher, `{shared['teacher']}`.")
    return lines


def _what_was_run(
    shared: Mapping[str, Any], seeds: Sequence[int], entries: Sequence[str], longer: bool
) -> list[str]:
    data = shared["data"]
    lines = [
        f"- Training: {data['photos']} photos of {shared['train_identities']} identities of "
        f"`{data['folder']}`. Test: {data['queries']} queries in a gallery of "
        f"{data['gallery']} photos, {shared['test_identities']} identities that no network here "
        "was trained on; cosine distance, single query, no re-ranking.",
        f"- Seeds: {', '.join(map(str, seeds))}. Runs of one seed share initial weights, kept "
        "photos and, as far as their number of photos allows, the order of batches.",
        "- alpha (x2, x10) is the ratio of all photos to real ones; every kept photo adds "
        "up to alpha - 1 generated ones.",
        *_how_they_enter(shared, entries, longer),
        "- A fraction keeps that share of every identity's photos (at least 2, by 2 cameras if "
        "possible); smaller fractions are subsets of larger ones, and only kept photos are sources "
        "of generated ones.",
    ]
    for name, config in shared["baselines"].items():
        height, width = config["size"]
        lines.append(
            f"- {name}: {config['network']}, {config['method']}, {height}x{width}, from "
            f"{shared['starts'][name]}; {config['steps']} steps of {config['batch_size']}, "
            f"{config['optimizer']}, learning rate {config['learning_rate']:g}."
        )
    for name, about in shared["augmenters"].items():
        if "folder" in about:
            stray = shared["strays"].get(name, 0)
            more = f", plus {stray} whose source is not a training photo" if stray else ""
            lines.append(f"- {name}: {about['pictures']} pictures in `{about['folder']}`{more}.")
        else:
            lines.append(f"- {name}: {_SIMPLE.get(about['simple'], about['simple'])}")
    return lines


_SIMPLE = {
    "copy": "unchanged copies of the photos (control for the number of photos).",
    "jitter": "copies with random rotation, crop, mirroring and colour jitter.",
    "affine": "the whole photo warped into another photo's pose by one affine transform.",
}


def _scores(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for baseline, erasing in dict.fromkeys((c["baseline"], c["erasing"]) for c in conditions):
        lines += [
            f"{baseline}, random erasing {'on' if erasing else 'off'}: mean and standard deviation "
            "over seeds, %.",
            "",
            "| photos kept | trained on | real alpha | photos | real seen | generated seen | steps "
            "| seconds | seeds | mAP | rank-1 | mINP |",
            "| --- " * 12 + "|",
        ]
        for one in conditions:
            if (one["baseline"], one["erasing"]) != (baseline, erasing):
                continue
            cells = [_spread(one["metrics"][metric]) for metric in METRICS]
            condition, seen = Condition(**key_of(one)), one["seen"]
            lines.append(
                f"| {condition.kept} | {condition.made} | {one['real_alpha']:.2f} | "
                f"{one['photos']:.0f} | {seen['real']:.0f} | {seen['generated']:.0f} | "
                f"{seen['steps']:.0f} | {one['seconds']:.0f} | {len(one['seeds'])} | "
                f"{' | '.join(cells)} |"
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
        setting = f"{first.baseline}, erasing {erasing}, {first.kept}"
        if len(one["settings"]) > 1:
            setting = f"{first.baseline}, mean of {len(one['settings'])} settings"
        start = f"| {setting} | {first.made} | " + (f"{second.made} | " if against else "")
        for metric in metrics:
            found = one["metrics"][metric]
            each = ", ".join(format_points(value, "+") for value in found["by_seed"])
            ways = [
                f"{format_interval(found[way]['ci95'])} | {format_p(found[way]['p_holm'])}"
                for way in ("seeds", "people")
            ]
            lines.append(
                f"{start}{METRICS[metric]} | {format_points(found['difference'], '+')} | {each} | "
                f"{' | '.join(ways)} |"
            )
    return lines


def _caveats(shared: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    lines = []
    if len(seeds) < FEW:
        few = "1 seed is few" if len(seeds) == 1 else f"{len(seeds)} seeds are few"
        lines.append(
            f"- {few}: the interval over seeds is wide, and only a very consistent difference "
            "becomes significant. No measurable difference does not mean no difference."
        )
    if shared["test_rule"] == "identity-split":
        lines.append(
            f"- The {shared['test_identities']} test identities are held out from the official "
            "*training* folder, and the gallery has only them. These numbers are not comparable "
            "with published results on this data set."
        )
    if any("folder" in about for about in shared["augmenters"].values()):
        lines.append(
            "- A generator was trained on all photos of the training identities, even where the "
            "baseline is trained on a fraction: it adds information that the baseline does not "
            "have, and target poses come from all photos."
        )
        lines.append(
            "- Generated images are the same for every seed: the spread over seeds does not "
            "include that of generating them again."
        )
    if all(config["network"] == "light" for config in shared["baselines"].values()):
        lines.append(
            "- The baseline is small (0.6 M parameters) and trained from scratch for "
            f"{max(c['steps'] for c in shared['baselines'].values())} steps; the paper trains "
            "an ImageNet-pretrained ResNet-50 for 50,000 steps, and 100,000 with augmentation."
        )
    elif any(
        config["network"] == "resnet50" and shared["starts"][name] == "scratch"
        for name, config in shared["baselines"].items()
    ):
        lines.append(
            "- ResNet-50 is trained from scratch here; the paper starts from ImageNet weights, and "
            "trains twice as long with augmentation (100,000 steps instead of 50,000)."
        )
    lines.append(
        '- Cost: "mixed" and "first" cost what real photos alone cost; "on-top" and "late" cost '
        'more, as much as "more steps".'
    )
    return lines


def _spread(number: Mapping[str, Any]) -> str:
    mean = f"{100 * number['mean']:.2f}"
    return mean if number["sd"] is None else f"{mean} ± {100 * number['sd']:.2f}"
