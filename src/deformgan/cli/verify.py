"""The command `deformgan verify`."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from deformgan.cli.outputs import output_file
from deformgan.files import write_json

if TYPE_CHECKING:
    from deformgan.verify import Row

_FAILED = 1
_GOOD = ("pass", "excluded")


def verify(golden_dir: Path | None = None, /, *, json: Path | None = None) -> int:
    """Verify this code against numbers computed by the authors' code.

    Without a folder, it checks this installation in seconds on a small bundled one: poses,
    heatmaps, masks, transforms, the deformable skip, losses, scores and network shapes. Exits with
    1 if any array differs, is unknown or was not compared.

    Args:
        golden_dir: Folder of golden vectors, with its MANIFEST.json; by default the bundled one.
        json: Where to write the verdict on every array as JSON: name, cases, largest error,
            tolerance.
    """
    if json is not None:
        output_file(json)
    from functools import partial

    from deformgan.cli.progress import progress
    from deformgan.verify import verify as compare

    rows = compare(golden_dir, partial(progress, what="golden files"))
    passed = all(row.status in _GOOD for row in rows)
    print(_summary(rows))
    if json is not None:
        arrays = [asdict(row) for row in rows]
        counts = dict(Counter(row.status for row in rows))
        write_json(json, {"passed": passed, "counts": counts, "arrays": arrays})
    return 0 if passed else _FAILED


def _summary(rows: list["Row"]) -> str:
    """Format the number of arrays per file and status, then the failures."""
    lines = []
    for file in dict.fromkeys(row.file for row in rows):
        counts = Counter(row.status for row in rows if row.file == file)
        verdict = ", ".join(f"{count} {status}" for status, count in counts.items())
        lines.append(f"{file:40} {verdict}")
    for row in rows:
        if row.status not in _GOOD:
            numbers = "" if row.error is None else f" error {row.error:.2g} > {row.tolerance:.2g}:"
            lines.append(f"{row.status}: {row.file} {row.array}:{numbers} {row.note}")
    reasons = Counter(row.note for row in rows if row.status == "excluded")
    lines += [f"excluded, {count} arrays: {reason}" for reason, count in reasons.items()]
    counts = Counter(row.status for row in rows)
    lines.append(", ".join(f"{count} {status}" for status, count in counts.items()))
    return "\n".join(lines)
