"""Starts every long command twice on one output, and compares with a run alone.

    python benchmarks/two_at_once.py --rounds 10

Commands run at tiny size, as in `kills.py`. The second starts at a random moment of the first. Each
must succeed, or refuse with exit code 2 and one line; at least one must succeed, and the output
must have the bytes of a run alone (except files with times or speeds). Exit code 1 if a round
fails.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import torch
from kills import AT_WORK, PATIENCE, Process, contents, run_once

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.abuse.commands import COMMANDS, Command, prepare
from tools.abuse.whole import find_damage, find_leftovers


def run_twice(
    command: Command, given: Path, out: Path, after: float, alone: dict[str, str]
) -> tuple[str, list[str]]:
    """Run a command twice; return how many succeeded, and what is wrong.

    Args:
        command: The command.
        given: What it reads.
        out: An empty folder.
        after: Seconds until the second start.
        alone: `contents` of a run alone.
    """
    logs = [out.with_name(f"{out.name}-{number}.log") for number in range(2)]
    first = Process(command.words(given, out), logs[0])
    time.sleep(after)
    second = Process(command.words(given, out), logs[1])
    codes = [process.wait(PATIENCE) for process in (first, second)]
    wrong = []
    for process, code, log in zip((first, second), codes, logs, strict=True):
        process.end()
        said = log.read_text(errors="replace")
        errors = [line for line in said.splitlines() if line.startswith("deformgan: ")]
        if code not in (0, 2) or (code == 2 and len(errors) != 1) or "Traceback" in said:
            wrong.append(f"exit code {code}: {said[-400:]}")
    if 0 not in codes:
        wrong.append("none succeeded")
    elif (found := contents(out, command)) != alone:
        names = sorted(name for name in found | alone if found.get(name) != alone.get(name))
        wrong.append(f"other bytes in {', '.join(names[:4])}")
    wrong += find_damage(out)
    wrong += [f"left {name}" for name in find_leftovers(out)]
    return "both" if codes == [0, 0] else "one", wrong


def main() -> int:
    """Run the commands in turn and print a table."""
    available = [name for name, one in COMMANDS.items() if one.long and one.available]
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--rounds", type=int, default=10, help="of every command")
    flags.add_argument("--seed", type=int, default=0, help="of moments")
    flags.add_argument("--only", nargs="*", default=available, choices=available)
    asked = flags.parse_args()
    torch.set_num_threads(1)
    for name in AT_WORK:
        import_module(f"deformgan.{name}")
    chance = random.Random(asked.seed)
    failed = 0
    print("| command | both succeeded | the other refused | failures |", flush=True)
    print("| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="twice-") as scratch:
        given = Path(scratch) / "given"
        given.mkdir()
        prepare(given)
        for name in asked.only:
            command = COMMANDS[name]
            seconds, alone = run_once(command, given, Path(scratch) / f"alone {name}")
            ends: Counter[str] = Counter()
            failures = 0
            for number in range(asked.rounds):
                out = Path(scratch) / f"{name} {number}"
                out.mkdir()
                ended, wrong = run_twice(command, given, out, chance.random() * seconds, alone)
                ends[ended] += 1
                failures += bool(wrong)
                for what in wrong:
                    print(f"{name}: {what}", file=sys.stderr, flush=True)
            print(f"| {name} | {ends['both']} | {ends['one']} | {failures} |", flush=True)
            failed += failures
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
