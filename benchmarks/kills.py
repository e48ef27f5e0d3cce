"""Kills every long command at random moments, starts it again, and compares with an unkilled run.

    python benchmarks/kills.py --kills 200

Commands run at tiny size (`tools/abuse/commands.py`) in processes forked from this one, which has
everything imported, so that they are killed at work and not while they start. A kill is SIGKILL or
SIGTERM to the command alone, as `kill` and systems without memory send it. It fails if a file with
a final name is not whole, a process of the command is alive 10 s later, the command does not end
with its files when started again, leaves hidden files, or writes other bytes than an unkilled run
(except files with times or speeds). Exit code 1 if any kill fails.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from deformgan.cli.main import main as deformgan_main
from tools.abuse.commands import COMMANDS, Command, prepare
from tools.abuse.whole import find_damage, find_leftovers

AT_WORK = ("cli.ablate", "evaluation.ablation", "export.export", "reid.augment", "reid.experiment")

PATIENCE = 600.0  # seconds until a command counts as hanging
_ORPHANS = 10.0  # seconds in which the workers of a killed command must end


class Process:
    """A command in a process of its own session.

    Args:
        words: Its command line.
        log: File for what it prints.
    """

    def __init__(self, words: list[str], log: Path):
        self.log = log
        self.number = os.fork()
        if not self.number:
            os.setsid()
            for stream in (sys.stdout, sys.stderr):
                os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream.fileno())
            # Workers import their parent's main program: here they have none, as under `deformgan`.
            sys.modules["__main__"] = ModuleType("__main__")
            code = 70
            try:
                code = deformgan_main(words) or 0
                sys.stderr.flush()
            finally:
                os._exit(code)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, negative for a signal; None if it runs longer."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            number, status = os.waitpid(self.number, os.WNOHANG)
            if number:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        return None

    def orphans(self) -> list[str]:
        """Return the other processes of its session that run after `_ORPHANS` seconds."""
        until = time.monotonic() + _ORPHANS
        while (alive := self._others()) and time.monotonic() < until:
            time.sleep(0.1)
        return alive

    def _others(self) -> list[str]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(") ")[2].split()[:4]
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended
                continue
            if int(session) == self.number and state != "Z":
                found.append(f"{folder.name} {words[:80]}")
        return found

    def end(self) -> None:
        """Kill everything that is left of it."""
        for other in [str(self.number), *self._others()]:
            try:
                os.kill(int(other.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue


def contents(folder: Path, command: Command) -> dict[str, str]:
    """Return the hashes of the files of an output folder that do not vary from run to run."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if not hidden and not any(fnmatch(path.name, kind) for kind in command.varies):
            found[str(inside)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def kill_once(
    command: Command,
    given: Path,
    out: Path,
    after: float,
    how: signal.Signals,
    whole: dict[str, str],
) -> tuple[str, list[str]]:
    """Kill a command once and start it again; return how it ended, and what is wrong.

    Args:
        command: The command.
        given: What it reads.
        out: An empty folder.
        after: Seconds until the kill.
        how: The signal.
        whole: `contents` of an unkilled run.
    """
    log = out.with_suffix(".log")
    process = Process(command.words(given, out), log)
    code = process.wait(after)
    ended = "before the kill"
    wrong = []
    if code is None:
        os.kill(process.number, how)
        code = process.wait(PATIENCE)
        ended = "killed" if code == -signal.SIGKILL else "cleaned up" if code == 143 else f"{code}"
        if code is None:
            wrong.append("hangs")
        elif code not in (-signal.SIGKILL, 143, 0):
            wrong.append(f"exit code {code}: {_last(log)}")
    wrong += [f"alive: {other}" for other in process.orphans()]
    wrong += find_damage(out)
    process.end()
    again = Process(command.words(given, out, again=True), log)
    code = again.wait(PATIENCE)
    again.end()
    if code:
        wrong.append(f"again: exit code {code}: {_last(log)}")
    elif code is None:
        wrong.append("again: hangs")
    elif (found := contents(out, command)) != whole:
        names = sorted(name for name in found | whole if found.get(name) != whole.get(name))
        wrong.append(f"again: other bytes in {', '.join(names[:4])}")
    wrong += [f"again: {damage}" for damage in find_damage(out)]
    wrong += [f"again: left {name}" for name in find_leftovers(out)]
    return ended, wrong


def _last(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-4:])[-600:]


def main() -> int:
    """Kill the commands in turn and print a table."""
    available = [name for name, one in COMMANDS.items() if one.long and one.available]
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--kills", type=int, default=200, help="of all commands together")
    flags.add_argument("--minutes", type=float, default=600, help="stop after this time")
    flags.add_argument("--seed", type=int, default=0, help="of moments and signals")
    flags.add_argument("--only", nargs="*", default=available, choices=available)
    asked = flags.parse_args()
    torch.set_num_threads(1)
    for name in AT_WORK:  # imported once, not in every process
        import_module(f"deformgan.{name}")
    chance = random.Random(asked.seed)
    begun = time.monotonic()
    ends = {name: Counter[str]() for name in asked.only}
    failures: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        given = Path(scratch) / "given"
        given.mkdir()
        prepare(given)
        unkilled: dict[str, tuple[float, dict[str, str]]] = {}
        for number in range(asked.kills):
            name = asked.only[number % len(asked.only)]
            command = COMMANDS[name]
            if time.monotonic() - begun > 60 * asked.minutes:
                break
            if name not in unkilled:
                unkilled[name] = run_once(command, given, Path(scratch) / "whole" / str(number))
                print(f"{name}: {unkilled[name][0]:.1f} s unkilled", flush=True)
            seconds, whole = unkilled[name]
            out = Path(scratch) / str(number)
            out.mkdir()
            how = chance.choice([signal.SIGKILL, signal.SIGTERM])
            after = chance.random() * seconds
            ended, wrong = kill_once(command, given, out, after, how, whole)
            ends[name][ended] += 1
            failures[name] += bool(wrong)
            for what in wrong:
                print(f"{name}, {how.name} after {after:.2f} s: {what}", flush=True)
    _print_table(ends, failures)
    return 1 if failures.total() else 0


def run_once(command: Command, given: Path, out: Path) -> tuple[float, dict[str, str]]:
    """Run a command undisturbed; return its seconds and the contents of its output."""
    out.mkdir(parents=True)
    log = out.with_suffix(".log")
    begun = time.monotonic()
    code = Process(command.words(given, out), log).wait(PATIENCE)
    if code != 0 or (damage := find_damage(out)):
        raise SystemExit(f"{command.line} fails undisturbed: {_last(log) if code else damage}")
    return time.monotonic() - begun, contents(out, command)


def _print_table(ends: dict[str, Counter[str]], failures: Counter[str]) -> None:
    print("\n| command | SIGKILL | SIGTERM | ended before | failures |")
    print("| --- | --- | --- | --- | --- |")
    sums: Counter[str] = Counter()
    for name, found in ends.items():
        sums += found
        _print_row(name, found, failures[name])
    _print_row("all", sums, failures.total())


def _print_row(name: str, found: Counter[str], failed: int) -> None:
    kinds = [found.pop(kind, 0) for kind in ("killed", "cleaned up", "before the kill")]
    print(f"| {name} | {' | '.join(map(str, kinds))} | {failed} |{found or ''}")


if __name__ == "__main__":
    sys.exit(main())
