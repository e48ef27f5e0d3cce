"""FileChecks, AllChecks: findings about every array of a golden file, and about all files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from deformgan.verify.golden import Golden

Status = Literal["pass", "fail", "excluded", "not built"]


@dataclass(frozen=True)
class Finding:
    """The result of one comparison.

    Attributes:
        array: Name of the array.
        error: Largest difference, in the unit of the array; 1 if a statement does not hold.
        tolerance: Largest difference allowed, in the same unit; the maximum if elements differ.
        note: How the array was compared, or why it was not.
        kind: "numbers" if numbers were compared, "fact" if a property of an input was checked,
            "excluded" if the array was excluded from comparison.
        wrong: Whether any element exceeds its tolerance, or a statement does not hold.
    """

    array: str
    error: float
    tolerance: float
    note: str = ""
    kind: Literal["numbers", "fact", "excluded"] = "numbers"
    wrong: bool = False

    @property
    def ok(self) -> bool:
        """Whether all elements are within their tolerance."""
        return not self.wrong


@dataclass(frozen=True)
class Row:
    """The verdict on one array.

    Attributes:
        file: Path in the golden folder.
        array: Name in the file; empty if the verdict is about the whole file.
        cases: Number of items in the array.
        error: Largest error found; for an input, that of the output that represents it.
        tolerance: Largest error allowed.
        status: "pass", "fail", "excluded", or "not built" if no check reads the array.
        note: Explanation of the numbers or of a failure.
    """

    file: str
    array: str
    cases: int
    error: float | None
    tolerance: float | None
    status: Status
    note: str


class FileChecks:
    """Findings about the arrays of one golden file.

    Attributes:
        file: Path in the golden folder.
        arrays: Arrays of the file, by name.
    """

    def __init__(self, file: str, arrays: Mapping[str, np.ndarray]):
        self.file = file
        self.arrays = arrays
        self._findings: dict[str, list[Finding]] = {}
        self._proofs: dict[str, list[Finding]] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def close(
        self,
        name: str,
        ours: torch.Tensor | np.ndarray | float,
        tolerance: float | np.ndarray,
        where: np.ndarray | None = None,
        note: str = "",
    ) -> Finding:
        """Compare numbers within a tolerance.

        Args:
            name: Name of the golden array.
            ours: The same array from this code. NaN means "no value" and must be NaN in both.
            tolerance: Largest difference allowed, for all elements or for each.
            where: Mask of the elements to compare, in the shape of the array; all by default.
            note: Note for the report.
        """
        golden = np.asarray(self.arrays[name]).astype(np.float64)
        mine = _numpy(ours).astype(np.float64)
        if golden.shape != mine.shape:
            return self._shape_differs(name, mine.shape, float(np.max(tolerance)))
        with np.errstate(invalid="ignore"):  # inf - inf is one of the differences
            difference = np.abs(np.atleast_1d(golden - mine))
        alike = (golden == mine) | (np.isnan(golden) & np.isnan(mine))
        difference[np.atleast_1d(alike)] = 0.0
        difference[np.isnan(difference)] = np.inf
        return self._largest(name, difference, tolerance, where, note)

    def same(
        self,
        name: str,
        ours: torch.Tensor | np.ndarray,
        where: np.ndarray | None = None,
        note: str = "",
    ) -> Finding:
        """Check that integers, flags or strings are equal; arguments as in `close`."""
        golden, mine = np.asarray(self.arrays[name]), _numpy(ours)
        if golden.shape != mine.shape:
            return self._shape_differs(name, mine.shape, 0.0)
        return self._largest(name, _distance(golden, mine), 0.0, where, note)

    def same_bits(
        self,
        name: str,
        ours: torch.Tensor | np.ndarray,
        where: np.ndarray | None = None,
        note: str = "",
    ) -> Finding:
        """Compare a mask with a golden one whose bits are packed along the last axis.

        Args:
            name: Name of the golden array, packed.
            ours: Booleans, not packed.
            where: Mask of the pixels to compare, in the shape of `ours`; all by default.
            note: Note for the report.
        """
        mine = _numpy(ours)
        golden = np.unpackbits(self.arrays[name], axis=-1)
        padding = -mine.shape[-1] % 8  # the bits that fill the last byte are 0
        mine = np.pad(mine, [(0, 0)] * (mine.ndim - 1) + [(0, padding)])
        if where is not None:
            where = np.pad(where, [(0, 0)] * (where.ndim - 1) + [(0, padding)])
        if golden.shape != mine.shape:
            return self._shape_differs(name, mine.shape, 0.0)
        return self._largest(name, golden != mine, 0.0, where, note)

    def holds(self, name: str, statement: bool | np.ndarray, note: str) -> Finding:
        """Record whether a property of an input holds for all its elements."""
        error = float(not np.all(statement))
        return self._note(Finding(name, error, 0.0, note if error else "", "fact", error > 0))

    def proved_by(self, names: Iterable[str], outputs: Iterable[Finding]) -> None:
        """Record that outputs verify the inputs they were computed from.

        Args:
            names: Names of the inputs.
            outputs: Findings about the outputs. If all pass, the first one represents the inputs
                in the report, so it should be the most sensitive to them.
        """
        outputs = list(outputs)
        for name in names:
            self._proofs.setdefault(name, []).extend(outputs)

    def exclude(self, name: str, reason: str) -> Finding:
        """Exclude an array from comparison and record the reason."""
        return self._note(Finding(name, 0.0, 0.0, reason, kind="excluded"))

    def rows(self) -> list[Row]:
        """Return one row per array, including unknown and unread ones."""
        names = dict.fromkeys([*self.arrays, *self._findings, *self._proofs])
        return [self._row(name) for name in names]

    def _row(self, name: str) -> Row:
        stored = self.arrays.get(name)
        cases = 0 if stored is None else len(stored) if np.ndim(stored) else 1
        findings = self._findings.get(name, [])
        proofs = self._proofs.get(name, [])
        if stored is None:
            return Row(self.file, name, cases, None, None, "fail", "missing in the file")
        if not findings and not proofs:
            note = "no check reads this array: it is unknown or not built yet"
            return Row(self.file, name, cases, None, None, "not built", note)
        worst = _telling(findings, proofs)
        if worst.kind == "excluded":
            return Row(self.file, name, cases, None, None, "excluded", worst.note)
        notes = [worst.note]
        if worst.array != name:
            notes.append(f"an input, verified through {worst.array}")
        note = "; ".join(note for note in notes if note)
        status = "pass" if worst.ok else "fail"
        return Row(self.file, name, cases, worst.error, worst.tolerance, status, note)

    def _note(self, finding: Finding) -> Finding:
        self._findings.setdefault(finding.array, []).append(finding)
        return finding

    def _shape_differs(self, name: str, shape: tuple[int, ...], tolerance: float) -> Finding:
        note = f"shape {self.arrays[name].shape}, ours {shape}"
        return self._note(Finding(name, float("inf"), tolerance, note, wrong=True))

    def _largest(
        self,
        name: str,
        difference: np.ndarray,
        tolerance: float | np.ndarray,
        where: np.ndarray | None,
        note: str,
    ) -> Finding:
        notes = [note] if note else []
        wrong = difference > tolerance
        if where is not None:
            left_out = int(where.size - np.count_nonzero(where))
            difference, wrong = difference[where], wrong[where]
            if left_out:
                notes.append(f"{left_out} elements excluded")
        error, allowed = float(difference.max(initial=0)), float(np.max(tolerance))
        count = int(np.count_nonzero(wrong))
        if count:
            notes.append(f"{count} of {difference.size} elements differ")
        return self._note(Finding(name, error, allowed, "; ".join(notes), wrong=count > 0))


class AllChecks:
    """The checks of all golden files.

    Attributes:
        golden: The golden folder.
    """

    def __init__(self, golden: Golden):
        self.golden = golden
        self._files: dict[str, FileChecks] = {}

    def of_file(self, file: str) -> FileChecks:
        """Return the checks of a file, created on first use."""
        if file not in self._files:
            self._files[file] = FileChecks(file, self.golden.arrays(file))
        return self._files[file]


def _telling(findings: list[Finding], proofs: list[Finding]) -> Finding:
    """Select the finding to report: a failure, else the largest error, else the first proof."""
    failed = [finding for finding in [*findings, *proofs] if not finding.ok]
    if failed:
        return failed[0]
    compared = [finding for finding in findings if finding.kind == "numbers"]
    if compared:
        return max(compared, key=lambda finding: finding.error)
    return (proofs or findings)[0]


def _numpy(values: torch.Tensor | np.ndarray | float) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def _distance(golden: np.ndarray, mine: np.ndarray) -> np.ndarray:
    if golden.dtype.kind in "biuf" and mine.dtype.kind in "biuf":
        difference = np.abs(golden.astype(np.float64) - mine.astype(np.float64))
        return np.where(np.isnan(difference), np.inf, difference)
    return np.asarray(golden != mine)
