"""Cell, make_cells, run_cells: the runs of an experiment, each made by whoever comes first."""

import fcntl
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

Erasing = Literal["both", "on", "off"]

REAL = "real"  # the augmenter of alpha 1, which is none
RUNS, RESULT, SETTINGS, LOCK = "runs", "result.json", "settings.json", "lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*")


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        baseline: What is trained.
        augmenter: Who made the photos that are added; "real" where none are.
        alpha: Photos to train on, as a multiple of the real ones among them.
        fraction: Percent of each identity's real photos that are kept.
        erasing: Whether rectangles of the photos are erased at random in training.
        seed: Of the initial weights, the kept photos, the batches, and of rivals' pictures.
    """

    baseline: str
    augmenter: str
    alpha: int
    fraction: int
    erasing: bool
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        erasing = "erasing" if self.erasing else "plain"
        made = f"{self.augmenter}-x{self.alpha}"
        return f"{self.baseline}-{made}-{self.fraction}pc-{erasing}-s{self.seed}"


def make_cells(
    baselines: Sequence[str],
    augmenters: Sequence[str],
    alphas: Sequence[int],
    fractions: Sequence[int],
    erasing: Erasing,
    seeds: Sequence[int],
) -> list[Cell]:
    """Lists the runs of a design, so that those before any point are balanced as far as possible.

    Seeds come one after another, and within one the real photos alone come before what is compared
    with them. Alpha 1 is one run per baseline, fraction, erasing and seed, whoever augments.

    Args:
        baselines: Names.
        augmenters: Names, none of them "real".
        alphas: From 1; 1 is added where it is missing, since all is compared with it.
        fractions: Percent, 1 to 100.
        erasing: Whether random erasing is on, off, or both.
        seeds: Whole numbers from 0.
    """
    for what, values in {
        "baselines": baselines,
        "alphas": alphas,
        "fractions": fractions,
        "seeds": seeds,
    }.items():
        if not values:
            raise InputError(f"--{what} needs a value or more.")
    if wrong := [alpha for alpha in alphas if alpha < 1]:
        raise InputError(f"--alphas are whole numbers from 1, got {wrong[0]}.")
    if wrong := [fraction for fraction in fractions if not 1 <= fraction <= 100]:
        raise InputError(f"--fractions are percent from 1 to 100, got {wrong[0]}.")
    if wrong := [seed for seed in seeds if seed < 0]:
        raise InputError(f"--seeds are whole numbers from 0, got {wrong[0]}.")
    if wrong := [name for name in augmenters if name == REAL or not _NAME.fullmatch(name)]:
        raise InputError(
            f"An augmenter's name is of letters, digits, '_', '.' and '-', and not {REAL!r}; got "
            f"{wrong[0]!r}."
        )
    added = sorted({alpha for alpha in alphas if alpha > 1})
    if added and not augmenters:
        raise InputError(f"--alphas {added[0]} needs --augmenters: who makes the photos?")
    made = [(REAL, 1), *product(dict.fromkeys(augmenters), added)]
    switches = {"both": (True, False), "on": (True,), "off": (False,)}[erasing]
    return [
        Cell(baseline, augmenter, alpha, fraction, switch, seed)
        for seed, baseline, switch, fraction, (augmenter, alpha) in product(
            dict.fromkeys(seeds),
            dict.fromkeys(baselines),
            switches,
            sorted(set(fractions)),
            made,
        )
    ]


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    settings: Callable[[Cell], Mapping[str, Any]],
    measure: Callable[[Cell, Path], Mapping[str, Any]],
    report: Callable[[str], None] = print,
    deadline: float | None = None,
    finished: Callable[[], object] | None = None,
) -> list[Cell]:
    """Makes the runs that are not made yet; several processes may do so in one folder.

    Args:
        cells: In the order to make them in.
        out: Folder of the experiment; what is in it must be of the same settings.
        settings: All that a run's result depends on, as JSON has it.
        measure: Makes a run in a folder of its own, in which it may find the half of one, and gives
            its result, as JSON has it.
        report: Is told a line about every run.
        deadline: Of `time.monotonic()`: no run begins that would not be done by then, to judge by
            the slowest so far.
        finished: Is called after every run.

    Returns:
        The runs that are left: another process is at them, or time was over.
    """
    for cell in cells:  # all of them first: hours later is too late to complain
        _check_settings(_folder(out, cell), settings(cell))
    seconds: list[float] = []
    for number, cell in enumerate(cells, start=1):
        folder = _folder(out, cell)
        if (folder / RESULT).is_file():
            continue
        if deadline is not None and time.monotonic() + max(seconds, default=0.0) > deadline:
            break
        folder.mkdir(parents=True, exist_ok=True)
        with claimed(folder) as mine:
            # Looked for again: it may have been finished while this process came to it.
            if (folder / RESULT).is_file():
                continue
            if not mine:
                report(f"{number}/{len(cells)} {cell.name}: another process is at it")
                continue
            _check_settings(folder, settings(cell))
            write_whole(folder / SETTINGS, dict(settings(cell)))
            begun = time.monotonic()
            result = measure(cell, folder)
            seconds.append(time.monotonic() - begun)
            write_whole(
                folder / RESULT,
                {"cell": asdict(cell), **result, "wall_seconds": round(seconds[-1], 1)},
            )
        waiting = sum(not (_folder(out, cell) / RESULT).is_file() for cell in cells)
        minutes = sum(seconds) / len(seconds) * waiting / 60
        report(
            f"{number}/{len(cells)} {cell.name}: mAP {result['metrics']['map']:.4f}, rank-1 "
            f"{result['metrics']['rank1']:.4f} in {seconds[-1]:.0f} s; {waiting} to go"
            + (f", about {minutes:.0f} min" if waiting else "")
        )
        if finished is not None:
            finished()
    return [cell for cell in cells if not (_folder(out, cell) / RESULT).is_file()]


def read_results(cells: Sequence[Cell], out: Path) -> dict[Cell, dict[str, Any]]:
    """Reads the results of the runs that are done."""
    found = {}
    for cell in cells:
        file = _folder(out, cell) / RESULT
        if file.is_file():
            found[cell] = json.loads(file.read_text(encoding="utf-8"))
    return found


@contextmanager
def claimed(folder: Path) -> Generator[bool]:
    """Takes a run for this process, if no living process has it.

    The system lets go of the lock of a process that died, so none is ever stale; what is written
    into it (process and machine) is for people.

    Args:
        folder: Of the run.

    Yields:
        Whether it is this process's.
    """
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "host": platform.node()}) + "\n")
        lock.flush()
        yield True


def write_whole(path: Path, data: object) -> None:
    """Writes JSON beside its name and renames it, so that a file of that name is complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


def _folder(out: Path, cell: Cell) -> Path:
    return out / RUNS / cell.name


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuses a folder whose run was begun with other settings."""
    file = folder / SETTINGS
    if not file.is_file():
        return
    theirs = json.loads(file.read_text(encoding="utf-8"))
    mine = json.loads(json.dumps(settings))
    changed = [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
    if changed:
        details = ", ".join(_difference(name, theirs.get(name), mine.get(name)) for name in changed)
        raise InputError(
            f"{folder} is of an experiment with other settings ({details}); go on with the same, "
            "or choose another --out."
        )


def _difference(name: str, theirs: object, mine: object) -> str:
    """Says what changed; of dictionaries only the entries that did."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        keys = [key for key in mine | theirs if mine.get(key) != theirs.get(key)]
        return ", ".join(
            _difference(f"{name}.{key}", theirs.get(key), mine.get(key)) for key in keys
        )
    return f"{name} was {theirs}, is {mine}"
