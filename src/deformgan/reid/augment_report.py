"""AugmentReport: what an augmentation did, counted shard by shard."""

import json
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deformgan.provenance import provenance

REPORT = "augment-report.json"
_OF_THE_RUN = ("seconds", "images_per_second", "provenance")


@dataclass
class Tally:
    """What became of the photos that were asked for, and the time it took.

    Attributes:
        counts: "asked", that the data set shall gain; "drawn", that were generated for them;
            "written", that passed the gate; "given_up", places that stay empty since no try passed.
        rejected_by: How many photos were too low in each score; one may be too low in several.
        scores: Sums over the written ones.
        seconds: By part of the work.
    """

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rejected_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    scores: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: "Tally") -> None:
        """Counts another one in."""
        for name, values in vars(other).items():
            mine = getattr(self, name)
            for key, value in values.items():
                mine[key] += value

    @contextmanager
    def timed(self, part: str) -> Generator[None]:
        """Adds the time that a piece of work takes."""
        begun = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - begun

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        beside = path.with_name(f"{path.name}.part")
        beside.write_text(json.dumps(vars(self)), encoding="utf-8")
        beside.replace(path)

    @staticmethod
    def load(path: Path) -> "Tally":
        """Reads what `save` wrote."""
        return Tally(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class AugmentReport:
    """What an augmentation did, over all its processes and however often it was broken off.

    Attributes:
        settings: All that the generated photos depend on.
        counts: Of originals, of those that are sources and those that are unusable, and of
            generated photos; see `Tally`.
        rejected_by: See `Tally`.
        acceptance: Which share of the generated photos passed the gate.
        mean_scores: Of the written photos.
        seconds: By part of the work, summed over processes; empty where the report was read again.
        images_per_second: Written photos by that time, so of a single process; None with it.
        provenance: Code, date and machine of the process that ended it; empty with it.
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
        """Sums up.

        Args:
            settings: See the attributes.
            originals: Photos that were there before.
            sources: Those of them with a usable pose.
            tally: Of all shards.
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
        """Writes it as JSON, whole or not at all."""
        _write(path, asdict(self))

    def save_in(self, folder: Path) -> None:
        """Writes into the data set what does not depend on when, where and how fast it was made."""
        timeless = {k: v for k, v in asdict(self).items() if k not in _OF_THE_RUN}
        _write(folder / REPORT, timeless)

    @staticmethod
    def load(path: Path) -> "AugmentReport":
        """Reads what `save` wrote."""
        return AugmentReport(**json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, report: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)
