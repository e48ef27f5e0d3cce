"""Fuzzes every parser of files from outside, and prints cases, refusals, escapes and seconds.

    python benchmarks/fuzz.py --cases 100000

The parsers, the files to begin from and their changes are those of `tools/fuzz`. An escape is any
exception but `InputError`, more than 20 s of processor time, or more than 4 GiB of address space
beyond what the process began with; each kind is printed once, with the file that leads to it.
"""

import argparse
import logging
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.fuzz.cases import cases
from tools.fuzz.parsers import PARSERS, Parser, TooSlowError, refused

_ROUND = 500  # cases of a parser before the next one's turn
_MORE_BYTES = 4 << 30


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + _MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzz(parser: Parser, count: int, start: int, escapes: Counter[str], out: Path) -> int:
    """Run cases and return how many were refused; escapes are counted by kind and kept in files."""
    refusals = 0

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        nonlocal refusals
        content = data.draw(cases(parser.seeds, parser.name))
        with tempfile.TemporaryDirectory() as folder:
            try:
                refusals += refused(parser, content, Path(folder))
            except (Exception, TooSlowError) as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
                if kind not in escapes:
                    kept = out / f"{len(list(out.iterdir())):03d}-{parser.name}"
                    kept.write_bytes(content)
                    print(f"{kind}: {str(error)[:200]!r}, {kept}", flush=True)
                escapes[kind] += 1

    run()
    return refusals


def main() -> None:
    """Take turns among the parsers until the cases or the time are used up."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=100_000, help="of all parsers together")
    options.add_argument("--minutes", type=float, default=600, help="stop after this time")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", nargs="*", default=list(PARSERS), choices=list(PARSERS))
    options.add_argument("--out", type=Path, help="folder for files that escape")
    given_ = options.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, about odd metadata
    logging.disable()  # people left out of films
    _limit_memory()
    out = given_.out or Path(tempfile.mkdtemp(prefix="fuzz-"))
    out.mkdir(parents=True, exist_ok=True)
    done: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    seconds = dict.fromkeys(given_.only, 0.0)
    escapes: dict[str, Counter[str]] = {name: Counter() for name in given_.only}
    begun = time.monotonic()
    while done.total() < given_.cases and time.monotonic() - begun < 60 * given_.minutes:
        for name in given_.only:
            if time.monotonic() - begun > 60 * given_.minutes:
                break
            count = min(_ROUND, max(1, given_.cases // len(given_.only)))
            clock = time.process_time()
            turn = given_.seed * 1_000_003 + done[name]
            refusals[name] += fuzz(PARSERS[name], count, turn, escapes[name], out)
            seconds[name] += time.process_time() - clock
            done[name] += count
    print("\n| parser | cases | refused | escapes | processor seconds |")
    print("| --- | --- | --- | --- | --- |")
    for name in given_.only:
        row = (f"{done[name]:,}", f"{refusals[name]:,}", escapes[name].total())
        print(f"| {name} | {row[0]} | {row[1]} | {row[2]} | {seconds[name]:.0f} |")
    total = sum(found.total() for found in escapes.values())
    spent = sum(seconds.values())
    print(f"| all | {done.total():,} | {refusals.total():,} | {total} | {spent:.0f} |")
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
