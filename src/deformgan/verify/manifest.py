"""Checks of the golden files' manifest: sizes, checksums, shapes and types."""

import hashlib
import json

import numpy as np

from deformgan.errors import shortened
from deformgan.verify.checks import Row
from deformgan.verify.golden import MANIFEST, Golden

PROSE = ".md"  # documentation, which contains no arrays


def check_manifest(golden: Golden) -> list[Row]:
    """Compare the folder's files with the manifest in both directions; return one row per file."""
    if MANIFEST not in golden.files:
        return [Row(MANIFEST, "", 0, None, None, "fail", "missing in the folder")]
    try:
        listed = json.loads((golden.folder / MANIFEST).read_bytes())
    except (ValueError, RecursionError) as error:
        return [Row(MANIFEST, "", 0, None, None, "fail", f"not valid JSON: {shortened(error)}")]
    if not isinstance(listed, dict):
        return [Row(MANIFEST, "", 0, None, None, "fail", "not a list of files by name")]
    names = sorted({*listed, *golden.files} - {MANIFEST})
    return [
        Row(MANIFEST, name, 1, float(bool(wrong)), 0.0, "fail" if wrong else "pass", wrong)
        for name in names
        if not name.endswith(PROSE)
        for wrong in [_what_is_wrong(golden, name, listed.get(name))]
    ]


def _what_is_wrong(golden: Golden, name: str, entry: dict | None) -> str:
    if entry is None:
        return "not listed"
    if name not in golden.files:
        return "missing in the folder"
    content = (golden.folder / name).read_bytes()
    if len(content) != entry.get("bytes"):
        return f"{len(content)} bytes, listed with {entry.get('bytes')}"
    if hashlib.sha256(content).hexdigest() != entry.get("sha256"):
        return "SHA-256 differs from the listed one"
    if not name.endswith(".npz"):
        return ""
    arrays = golden.arrays(name)
    listed = entry.get("arrays", {})
    different = sorted(arrays.keys() ^ listed.keys())
    different += [
        key for key in sorted(arrays.keys() & listed) if not _alike(arrays[key], listed[key])
    ]
    return f"arrays differ from the listed ones: {', '.join(different)}" if different else ""


def _alike(array: np.ndarray, listed: list) -> bool:
    return [list(array.shape), str(array.dtype)] == listed
