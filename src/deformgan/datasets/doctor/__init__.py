"""The data doctor: everything that is wrong with a data set, found in one go and named.

Readers stop at the first fault. The doctor goes on: each file here is one thing to look at, a
function of what is in the folder that returns findings.
"""

from collections.abc import Callable, Iterable
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
    """What the doctor found.

    Attributes:
        layout: Whose layout the folder has.
        counts: Numbers of images by part, of lines by table, of pairs by pair table.
        findings: In the order of `KINDS`.
        terms: Under which its photos may be used, if it is a data set that has terms.
    """

    layout: Layout
    counts: dict[str, dict[str, dict[str, int]]]
    findings: list[Finding]
    terms: str | None = None

    def of(self, severity: Severity) -> dict[str, list[Finding]]:
        """Gives the findings of one severity by kind."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            if finding.severity == severity:
                found.setdefault(finding.kind, []).append(finding)
        return found


def examine(
    root: str | Path,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    skeleton: Skeleton = OPENPOSE18,
) -> Examination:
    """Looks at every file of a data set and at every line of its tables.

    Args:
        root: The folder. It is an error that the caller can fix if there are no images in it.
        progress: Passes the images on, and may count them.
        skeleton: Of the poses.
    """
    contents = look_into(Path(root))
    tables = read_tables(contents, skeleton)
    decoded, findings = look_at_images(contents, progress)
    counts = count(contents, tables)
    findings += contents.findings
    findings += tables.findings
    if contents.layout != "folder":  # own photos are of any size
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
    """Look up the terms of a data set; sets that only share Market-1501's layout have others."""
    if contents.layout == "market1501" and not is_market(contents):
        return None
    return TERMS.get(contents.layout)
