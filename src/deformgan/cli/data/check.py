"""The command `deformgan data check`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deformgan.datasets.doctor import Examination, Severity

_FOUND = 1
_MOST_EXAMPLES = 10
_SEVERITIES: dict["Severity", str] = {
    "error": "errors",
    "warning": "warnings",
    "info": "information",
}


def check(
    folder: Path,
    /,
    *,
    skeleton: str = "openpose18",
    nobody: tuple[str, ...] | None = None,
    json: Path | None = None,
) -> int:
    """Check a data set for errors, file by file and line by line.

    Decodes every image and parses every line of every table; changes nothing. Supports the layouts
    of Market-1501, CUHK03 and DeepFashion, rendered people, and one folder of photos per person.
    Also prints the terms of use of such photos.

    Exits with 1 if there are errors or warnings, otherwise with 0.

    Args:
        folder: The data set.
        skeleton: Skeleton of its poses, a built-in name or a JSON file.
        nobody: Identities of Market-1501's layout that are not people, such as -1
            0000; by default -1, and also 0000 unless training photos, queries or
            identity-split.json have it as a person.
        json: Where to write all findings as JSON; only ten of each kind are printed.
    """
    from functools import partial

    from deformgan.cli.outputs import output_file
    from deformgan.cli.progress import progress
    from deformgan.datasets.doctor import examine
    from deformgan.files import write_json
    from deformgan.skeletons import find_skeleton

    if json is not None:
        output_file(json)
    joints = find_skeleton(skeleton)
    result = examine(folder, partial(progress, what="images"), joints, nobody)
    _print(_report(folder, result))
    numbers = {severity: _number(result, severity) for severity in _SEVERITIES}
    if json is not None:
        findings = [{"severity": f.severity, **asdict(f)} for f in result.findings]
        write_json(
            json,
            {
                "folder": str(folder),
                "layout": result.layout,
                "terms": result.terms,
                "counts": result.counts,
                "numbers": numbers,
                "findings": findings,
            },
        )
    return _FOUND if numbers["error"] or numbers["warning"] else 0


def _report(folder: Path, result: "Examination") -> str:
    """Format the counts, then the findings by severity and kind, the worst first."""
    from deformgan.datasets.doctor import KINDS

    lines = [f"{folder}: layout of {result.layout}"]
    for counts in result.counts.values():
        for file, numbers in counts.items():
            text = ", ".join(
                f"{number:,} {what.replace('_', ' ')}" for what, number in numbers.items()
            )
            lines.append(f"  {file or '.'}: {text}")
    if result.terms is not None:
        lines.append(f"  terms: {result.terms}")
    for severity, title in _SEVERITIES.items():
        kinds = result.of(severity)
        if kinds:
            lines += ["", title.upper()]
        for kind, findings in kinds.items():
            lines.append(f"  {KINDS[kind].title}: {len(findings):,}")
            lines += [f"    {finding}" for finding in findings[:_MOST_EXAMPLES]]
            if len(findings) > _MOST_EXAMPLES:
                lines.append(f"    and {len(findings) - _MOST_EXAMPLES:,} more")
            if KINDS[kind].advice:
                lines.append(f"    -> {KINDS[kind].advice}")
    errors, warnings = (_number(result, severity) for severity in ("error", "warning"))
    summary = f"{errors:,} error{'s' * (errors != 1)}, {warnings:,} warning{'s' * (warnings != 1)}"
    return "\n".join([*lines, "", summary])


def _number(result: "Examination", severity: "Severity") -> int:
    return sum(len(findings) for findings in result.of(severity).values())


def _print(text: str) -> None:
    """Print text that may contain characters outside the terminal's encoding."""
    import sys

    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
