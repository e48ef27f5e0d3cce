"""Runs of an experiment, shared among any number of processes."""

import json
import os
import platform
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from deformgan.errors import InputError
from deformgan.files import check_finite, read_back, try_lock, wait_for_lock, write_text
from deformgan.reid.entries import BESIDE, ENTRIES
from deformgan.reid.train import RESULT as WEIGHTS

Erasing = Literal["both", "on", "off"]

REAL = "real"  # augmenter name for alpha 1, i.e. no augmentation
LONGER = "more-steps"  # augmenter name for real photos alone, at the cost of photos on top
RUNS, RESULT, SETTINGS, LOCK = "runs", "result.json", "settings.json", "lock"
_REPORT_LOCK = ".report.lock"
_PER_QUERY = ("map", "rank1", "minp")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*")


@dataclass(frozen=True)
class PlannedRun:
    """One run of an experiment.

    Attributes:
        baseline: Name of the baseline to train.
        augmenter: Name of the source of added photos; "real" if none are added, "more-steps" if
            there are more steps instead.
        alpha: Number of training photos as a multiple of the real ones.
        entry: How they enter, see `ENTRIES`; "none" if none are added.
        fraction: Percentage of each identity's real photos to keep.
        per_person: Number of each identity's real photos to keep, instead of a fraction; None to
            keep a fraction.
        erasing: Whether to train with random erasing.
        seed: Random seed for initial weights, kept photos, batches and the images of simple
            augmenters.
    """

    baseline: str
    augmenter: str
    alpha: int
    entry: str
    fraction: int
    per_person: int | None
    erasing: bool
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        erasing = "erasing" if self.erasing else "plain"
        made = f"{self.augmenter}-x{self.alpha}-{self.entry}"
        kept = f"{self.fraction}pc" if self.per_person is None else f"{self.per_person}pp"
        return f"{self.baseline}-{made}-{kept}-{erasing}-s{self.seed}"


def plan_runs(
    baselines: Sequence[str],
    augmenters: Sequence[str],
    alphas: Sequence[int],
    fractions: Sequence[int],
    erasing: Erasing,
    seeds: Sequence[int],
    entries: Sequence[str] = ("mixed",),
    per_person: Sequence[int] = (),
) -> list[PlannedRun]:
    """List the runs of a design, ordered so that any prefix is as balanced as possible.

    Seeds are the outermost loop; within one, the run on real photos precedes those compared with
    it. There is one run with alpha 1 per baseline, photos kept, erasing and seed, shared by all
    augmenters and entries. "more-steps" has no alpha either, and is planned for the entries that
    add photos on top, whose cost it has.

    Args:
        baselines: Names of baselines.
        augmenters: Names of augmenters, none of them "real".
        alphas: From 1; 1 is always included as the reference.
        fractions: Percentages, 1 to 100.
        erasing: Whether random erasing is on, off, or both.
        seeds: Non-negative integers.
        entries: Ways in which added photos enter, see `ENTRIES`.
        per_person: Numbers of photos per identity to keep, in addition to the fractions.
    """
    for what, values in {
        "baselines": baselines,
        "alphas": alphas,
        "fractions": fractions,
        "seeds": seeds,
        "entries": entries,
    }.items():
        if not values:
            raise InputError(f"--{what} needs at least one value.")
    if wrong := [alpha for alpha in alphas if alpha < 1]:
        raise InputError(f"--alphas must be integers from 1, got {wrong[0]}.")
    if wrong := [fraction for fraction in fractions if not 1 <= fraction <= 100]:
        raise InputError(f"--fractions must be percentages from 1 to 100, got {wrong[0]}.")
    if wrong := [count for count in per_person if count < 1]:
        raise InputError(f"--per-person must be integers from 1, got {wrong[0]}.")
    if wrong := [entry for entry in entries if entry not in ENTRIES]:
        raise InputError(f"Unknown entry {wrong[0]!r}; choose one of {', '.join(ENTRIES)}.")
    if wrong := [seed for seed in seeds if seed < 0]:
        raise InputError(f"--seeds must be integers from 0, got {wrong[0]}.")
    if wrong := [name for name in augmenters if name == REAL or not _NAME.fullmatch(name)]:
        raise InputError(
            f"An augmenter's name may use letters, digits, '_', '.' and '-' and must not be "
            f"{REAL!r}, got {wrong[0]!r}."
        )
    added = sorted({alpha for alpha in alphas if alpha > 1})
    if added and not augmenters:
        raise InputError(f"--alphas {added[0]} needs --augmenters to generate the photos.")
    beside = [entry for entry in dict.fromkeys(entries) if entry in BESIDE]
    if LONGER in augmenters and not beside:
        raise InputError(f"{LONGER} has the cost of photos on top; add {' or '.join(BESIDE)}.")
    made = [(REAL, 1, "none")]
    for augmenter in dict.fromkeys(augmenters):
        if augmenter == LONGER:
            made += [(LONGER, 1, entry) for entry in beside]
        else:
            made += [(augmenter, *one) for one in product(added, dict.fromkeys(entries))]
    kept = [
        *((100, count) for count in sorted(set(per_person))),
        *((fraction, None) for fraction in sorted(set(fractions))),
    ]
    switches = {"both": (True, False), "on": (True,), "off": (False,)}[erasing]
    return [
        PlannedRun(baseline, augmenter, alpha, entry, fraction, count, switch, seed)
        for seed, baseline, switch, (fraction, count), (augmenter, alpha, entry) in product(
            dict.fromkeys(seeds), dict.fromkeys(baselines), switches, kept, made
        )
    ]


def execute_runs(
    planned: Sequence[PlannedRun],
    out: Path,
    settings: Callable[[PlannedRun], Mapping[str, Any]],
    measure: Callable[[PlannedRun, Path], Mapping[str, Any]],
    report: Callable[[str], None] = print,
    deadline: float | None = None,
    finished: Callable[[], object] | None = None,
) -> list[PlannedRun]:
    """Run all planned that have no result yet; several processes may share one folder.

    Args:
        planned: Runs in order.
        out: Folder of the experiment; existing runs must have the same settings.
        settings: Returns everything a run's result depends on, JSON-serializable.
        measure: Executes a run in its own folder, which may hold a partial run, and returns its
            result, JSON-serializable.
        report: Called with one line per run.
        deadline: On the clock of `time.monotonic()`; no run starts that would end later if it took
            as long as the slowest so far.
        finished: Called after every run.

    Returns:
        Runs without a result, because of another process or the deadline.
    """
    for one in planned:  # check all first, rather than fail hours later
        _check_settings(_folder(out, one), settings(one))
    seconds: list[float] = []
    for number, one in enumerate(planned, start=1):
        folder = _folder(out, one)
        if (folder / RESULT).is_file():
            continue
        if deadline is not None and time.monotonic() + max(seconds, default=0.0) > deadline:
            break
        folder.mkdir(parents=True, exist_ok=True)
        with claimed(folder) as mine:
            # Check again: another process may have finished it in the meantime.
            if (folder / RESULT).is_file():
                continue
            if not mine:
                report(f"{number}/{len(planned)} {one.name}: running in another process")
                continue
            _check_settings(folder, settings(one))
            _write(folder / SETTINGS, dict(settings(one)))
            begun = time.monotonic()
            result = measure(one, folder)
            seconds.append(time.monotonic() - begun)
            _write(
                folder / RESULT,
                {"run": asdict(one), **result, "wall_seconds": round(seconds[-1], 1)},
            )
        waiting = sum(not (_folder(out, one) / RESULT).is_file() for one in planned)
        minutes = sum(seconds) / len(seconds) * waiting / 60
        report(
            f"{number}/{len(planned)} {one.name}: mAP {result['metrics']['map']:.4f}, rank-1 "
            f"{result['metrics']['rank1']:.4f} in {seconds[-1]:.0f} s; {waiting} to go"
            + (f", about {minutes:.0f} min" if waiting else "")
        )
        if finished is not None:
            finished()
    return [one for one in planned if not (_folder(out, one) / RESULT).is_file()]


def read_results(planned: Sequence[PlannedRun], out: Path) -> dict[PlannedRun, dict[str, Any]]:
    """Read the results of all finished runs."""
    found = {}
    for one in planned:
        file = _folder(out, one) / RESULT
        if file.is_file():
            with read_back(file, "remove it to run it again"):
                found[one] = json.loads(file.read_text(encoding="utf-8"))
                _check_result(found[one], one)
    return found


def _check_result(result: dict[str, Any], one: PlannedRun) -> None:
    """Raise an error if a result has no numbers where the report needs them, or is of another."""
    if result["run"] != asdict(one):
        raise ValueError("it is the result of another run")
    numbers = [*result["metrics"].values(), *result["photos"].values()]
    people = result["queries"]["person"].split()
    columns = [result["queries"][name].split() for name in _PER_QUERY]
    for column in columns:
        if len(column) != len(people):
            raise ValueError("queries are missing")
        numbers += column
    check_finite(map(float, numbers))


@dataclass(frozen=True)
class TrainedRun:
    """A run's network before its test.

    Attributes:
        weights: File of the network.
        photos: Counts of the training photos.
        seen: How often it saw real and generated photos.
        seconds: Time of each part of the work.
    """

    weights: Path
    photos: Mapping[str, Any]
    seen: Mapping[str, Any]
    seconds: Mapping[str, float]


def find_trained(
    out: Path, one: PlannedRun, settings: Mapping[str, Any], test: Sequence[str]
) -> TrainedRun | None:
    """Find the network of a run in another experiment that was tested on other photos.

    Args:
        out: Output folder of the other experiment.
        one: The run.
        settings: Settings of the run.
        test: Names of the settings of `data` that describe the test data.

    Returns:
        The trained run; None if the other experiment has not finished it.

    Raises:
        InputError: If `out` is no experiment, the run was trained with other settings, or its
            network was removed.
    """
    if not (out / RUNS).is_dir():
        raise InputError(f"{out} is not the output of an experiment: it has no folder {RUNS}.")
    folder = _folder(out, one)
    if not (folder / RESULT).is_file():
        return None
    with read_back(folder / SETTINGS):
        theirs = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["data"]
        data = {**settings["data"], **{name: theirs.get(name) for name in test}}
    _check_settings(folder, {**settings, "data": data})
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{folder} has no network ({WEIGHTS}) to test.")
    with read_back(folder / RESULT, "remove it to run it again"):
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        _check_result(result, one)
        seconds = {name: value for name, value in result["seconds"].items() if name != "test"}
        return TrainedRun(weights, result["photos"], result["seen"], seconds)


@contextmanager
def in_turn(out: Path) -> Generator[None]:
    """Wait until no other process writes the report, so that none with fewer runs is the last.

    Args:
        out: Output folder of the experiment.
    """
    with (out / _REPORT_LOCK).open("a") as lock:
        wait_for_lock(lock)
        yield


@contextmanager
def claimed(folder: Path) -> Generator[bool]:
    """Try to lock a run for this process.

    The operating system releases the lock when its process dies, so locks are never stale; process
    id and host are written into the file for information only.

    Args:
        folder: Folder of the run.

    Yields:
        Whether this process holds the lock.
    """
    with (folder / LOCK).open("a+") as lock:
        if not try_lock(lock):
            yield False
            return
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "host": platform.node()}) + "\n")
        lock.flush()
        yield True


def _write(path: Path, data: object) -> None:
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _folder(out: Path, one: PlannedRun) -> Path:
    return out / RUNS / one.name


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise an error if the run was started with other settings."""
    file = folder / SETTINGS
    if not file.is_file():
        return
    mine = json.loads(json.dumps(settings))
    with read_back(file):
        theirs = json.loads(file.read_text(encoding="utf-8"))
        changed = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    if changed:
        details = ", ".join(_difference(name, theirs.get(name), mine.get(name)) for name in changed)
        raise InputError(
            f"{folder} was started with other settings ({details}); use the same settings or "
            "another --out."
        )


def _difference(name: str, theirs: object, mine: object) -> str:
    """Describe a changed setting; of dictionaries, only the changed entries."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        keys = [key for key in mine | theirs if mine.get(key) != theirs.get(key)]
        return ", ".join(
            _difference(f"{name}.{key}", theirs.get(key), mine.get(key)) for key in keys
        )
    return f"{name} was {theirs}, is {mine}"
