"""Augmentation statistics: per-shard tallies and the final report."""

import json
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deformgan.files import check_finite, read_back, write_json, write_text
from deformgan.provenance import provenance

REPORT = "augment-report.json"
_OF_THE_RUN = ("seconds", "images_per_second", "provenance")


@dataclass
class Tally:
    """Counts, score sums and timings of one or more shards.

    Attributes:
        counts: "asked", photos requested; "drawn", photos generated, retries included; "written",
            photos that passed the gate; "given_up", requests for which no try passed.
        rejected_by: Number of photos below the minimum, per score; one photo may count for several.
            "pose_variety" is the number of target poses that were passed over, without generating a
            photo, because they were too near to those of the person.
        scores: Sums over the written photos.
        seconds: Time per stage.
    """

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rejected_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    scores: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        for name, values in vars(other).items():
            mine = getattr(self, name)
            for key, value in values.items():
                mine[key] += value

    @contextmanager
    def timed(self, part: str) -> Generator[None]:
        """Add the time spent in the context to a stage."""
        begun = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - begun

    def save(self, path: Path) -> None:
        """Write the tally atomically as JSON."""
        write_text(path, json.dumps(vars(self)))

    @staticmethod
    def load(path: Path) -> "Tally":
        """Read a tally that `save` wrote."""
        with read_back(path, "remove it to generate its photos again"):
            parts = json.loads(path.read_text(encoding="utf-8"))
            for part in parts.values():
                check_finite(part.values())
            return Tally(**parts)


@dataclass(frozen=True)
class AugmentReport:
    """Result of an augmentation, over all its processes and interruptions.

    Attributes:
        settings: Everything that the generated photos depend on.
        counts: Originals, those usable as sources, those unusable, and generated photos; see
            `Tally`.
        rejected_by: See `Tally`.
        acceptance: Share of generated photos that passed the gate.
        mean_scores: Mean scores of the written photos.
        seconds: Time per stage, summed over processes; empty if the report was read back.
        images_per_second: Written photos per second of that time, i.e. of a single process; None if
            the report was read back.
        provenance: Code version, date and machine of the process that finished; empty if the report
            was read back.
    """

    settings: dict[str, Any]
    counts: dict[str, int]
    rejected_by: dict[str, int]
    acceptance: float
    mean_scores: dict[str, float]
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(settings: dict[str, Any], originals: int, sources: int, tally: Tally) -> "AugmentReport":
        """Build a report from the total tally.

        Args:
            settings: See the attributes.
            originals: Number of original photos.
            sources: Number of originals with a usable pose.
            tally: Sum over all shards.
        """
        drawn, written = tally.counts["drawn"], tally.counts["written"]
        seconds = sum(tally.seconds.values())
        return AugmentReport(
            settings=settings,
            counts={
                "originals": originals,
                "sources": sources,
                "unusable": originals - sources,
                "asked": tally.counts["asked"],
                "drawn": drawn,
                "written": written,
                "rejected": drawn - written,
                "given_up": tally.counts["given_up"],
            },
            rejected_by=dict(sorted(tally.rejected_by.items())),
            acceptance=written / max(drawn, 1),
            mean_scores={
                name: total / max(written, 1) for name, total in sorted(tally.scores.items())
            },
            seconds=dict(sorted(tally.seconds.items())),
            images_per_second=written / max(seconds, 1e-9),
            provenance=provenance(),
        )

    def save(self, path: Path) -> None:
        """Write the report atomically as JSON."""
        write_json(path, asdict(self))

    def save_in(self, folder: Path) -> None:
        """Write the report into the data set, without time, speed and provenance."""
        timeless = {k: v for k, v in asdict(self).items() if k not in _OF_THE_RUN}
        write_json(folder / REPORT, timeless)

    @staticmethod
    def load(path: Path) -> "AugmentReport":
        """Read a report that `save` wrote."""
        with read_back(path, "remove its folder to start over"):
            report = AugmentReport(**json.loads(path.read_text(encoding="utf-8")))
            for numbers in (report.counts, report.rejected_by, report.mean_scores):
                check_finite(numbers.values())
            return report
