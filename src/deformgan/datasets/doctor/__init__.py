"""The data doctor: report every problem of a data set at once.

Readers stop at the first error; the doctor continues. Each file here contains one check, a function
from the folder's contents to findings.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets.doctor.contents import Contents, Layout, look_into
from deformgan.datasets.doctor.counts import compare, count, is_market
from deformgan.datasets.doctor.finding import KINDS, Finding, Kind, Severity
from deformgan.datasets.doctor.image_files import equal_images, look_at_images, odd_sizes
from deformgan.datasets.doctor.joints import check_joints
from deformgan.datasets.doctor.leaks import check_leaks
from deformgan.datasets.doctor.names import check_names
from deformgan.datasets.doctor.pair_tables import check_pairs
from deformgan.datasets.doctor.surface_files import check_surfaces
from deformgan.datasets.doctor.tables import read_tables
from deformgan.datasets.terms import TERMS
from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

__all__ = ["KINDS", "Examination", "Finding", "Kind", "Severity", "examine"]


@dataclass(frozen=True)
class Examination:
    """The doctor's report.

    Attributes:
        layout: Layout of the folder.
        counts: Numbers of images by part, of lines by table, of pairs by pair table.
        findings: In the order of `KINDS`.
        terms: Terms of use of the photos, if the data set has any.
    """

    layout: Layout
    counts: dict[str, dict[str, dict[str, int]]]
    findings: list[Finding]
    terms: str | None = None

    def of(self, severity: Severity) -> dict[str, list[Finding]]:
        """Return the findings of one severity, by kind."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            if finding.severity == severity:
                found.setdefault(finding.kind, []).append(finding)
        return found


def examine(
    root: str | Path,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    skeleton: Skeleton = OPENPOSE18,
    nobody: Collection[str] | None = None,
) -> Examination:
    """Check every file of a data set and every line of its tables.

    Args:
        root: The folder.
        progress: Wraps the iteration over images, for example to show progress.
        skeleton: Skeleton of the poses.
        nobody: Identities that are not people; by default decided by the data.

    Raises:
        InputError: If the folder contains no images.
    """
    contents = look_into(Path(root), nobody)
    tables = read_tables(contents, skeleton)
    decoded, findings = look_at_images(contents, progress)
    counts = count(contents, tables)
    findings += contents.findings
    findings += tables.findings
    if contents.layout != "folder":  # a user's photos may have any size
        findings += odd_sizes(decoded)
    findings += equal_images(contents, decoded)
    findings += check_surfaces(contents, decoded)
    findings += check_names(contents, tables)
    findings += check_joints(contents, tables, decoded)
    findings += check_leaks(contents, tables)
    findings += check_pairs(contents, tables)
    findings += compare(contents, counts)
    order = {kind: place for place, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: order[finding.kind])
    return Examination(contents.layout, counts, findings, _terms(contents))


def _terms(contents: Contents) -> str | None:
    """Return a data set's terms of use; others that merely share Market-1501's layout have none."""
    if contents.layout == "market1501" and not is_market(contents):
        return None
    return TERMS.get(contents.layout)
