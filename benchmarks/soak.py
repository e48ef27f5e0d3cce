"""Generates many pictures in one process, and prints its memory by thousands.

    python benchmarks/soak.py --count 10000 --weights synthetic

Photos, poses and the kinds of input alternate: files and pictures in memory, detected and given
poses, photos of the model's size and larger ones, and now and then a mistake. Exit code 1 if the
memory after the last thousand is more than 5 % above that after the first.
"""

import argparse
import gc
import resource
import sys
import time
from itertools import product
from pathlib import Path

from PIL import Image

from deformgan.datasets.bundled_people import FOLDER
from deformgan.errors import InputError
from deformgan.predict import PoseTransfer

_THOUSAND = 1000
_GROWTH = 1.05


def resident() -> float:
    """Return the resident memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def main() -> int:
    """Generate and print a table."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--count", type=int, default=10_000)
    flags.add_argument("--weights", default="synthetic")
    flags.add_argument("--minutes", type=float, default=600, help="stop after this time")
    asked = flags.parse_args()
    transfer = PoseTransfer.from_pretrained(asked.weights, "cpu")
    photos = sorted((FOLDER / "bounding_box_train").iterdir())
    table = FOLDER / "annotation.csv"
    pairs = list(product(photos, photos))
    memory: list[float] = []
    begun = time.monotonic()
    print("| pictures | resident MB |\n| --- | --- |", flush=True)
    for number in range(asked.count):
        source, target = pairs[number * 37 % len(pairs)]
        person: Path | Image.Image = source
        known: str | None = f"{table}:{source.name}"
        if number % 5 == 1:
            person = Image.open(source)
        if number % 50 == 2:
            person, known = Image.open(source).resize((160, 320)), None
        transfer(person, f"{table}:{target.name}", source_pose=known)
        if number % 100 == 3:
            _mistake(transfer, source, table)
        if (number + 1) % _THOUSAND == 0:
            gc.collect()
            memory.append(resident())
            print(f"| {number + 1:,} | {memory[-1]:.0f} |", flush=True)
        if time.monotonic() - begun > 60 * asked.minutes:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"\n{number + 1:,} pictures, at most {peak:.0f} MB")
    return 1 if len(memory) > 1 and memory[-1] > _GROWTH * memory[0] else 0


def _mistake(transfer: PoseTransfer, source: Path, table: Path) -> None:
    try:
        transfer(source, f"{table}:absent.jpg")
    except InputError:
        return
    raise AssertionError("a pose that does not exist was found")


if __name__ == "__main__":
    sys.exit(main())
