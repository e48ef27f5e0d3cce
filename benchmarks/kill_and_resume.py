"""Kill a run with -9 at random moments, resume it, and compare it with an unbroken one.

    python benchmarks/kill_and_resume.py --out /tmp/killed --kills 5

What follows `--` goes to `deformgan train`, whose recipe is quickstart. Exit code 0 if the weights
and everything else in the last checkpoint are equal to the bit.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

import torch

from deformgan.checkpoint import load_generator
from deformgan.training.checkpoints import checkpoints, steps_saved
from deformgan.training.loop import RESULT

TRAIN = "from deformgan.cli.main import main; raise SystemExit(main())"


def main() -> int:
    """Run both and compare."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--kills", type=int, default=5)
    flags.add_argument("--seed", type=int, default=0, help="of the moments")
    flags.add_argument("train", nargs="*", help="flags of deformgan train")
    given = flags.parse_args()
    given.out.mkdir(parents=True)
    command = [sys.executable, "-c", TRAIN, "train", "quickstart", *given.train]
    whole, killed = given.out / "whole", given.out / "killed"

    begun = time.monotonic()
    subprocess.run([*command, "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    print(f"unbroken: {steps_saved(whole)} steps in {seconds:.0f} s", flush=True)

    steps = steps_saved(whole)
    chance = random.Random(given.seed)
    for kill in range(given.kills):
        process = subprocess.Popen(
            [*command, "--out", str(killed), "--resume"], stdout=subprocess.DEVNULL
        )
        # Starting takes long on busy cores: wait for a new checkpoint, then a random time.
        before = steps_saved(killed)
        while steps_saved(killed) == before and process.poll() is None:
            time.sleep(0.01)
        try:
            process.wait(timeout=chance.random() * seconds / given.kills / 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"killed {kill + 1}: last checkpoint of step {steps_saved(killed)}", flush=True)
        else:
            print(f"life {kill + 1} ended by itself at step {steps_saved(killed)} of {steps}")
    subprocess.run(
        [*command, "--out", str(killed), "--resume"], check=True, stdout=subprocess.DEVNULL
    )
    different = compare(checkpoints(whole)[-1], checkpoints(killed)[-1])
    first, second = (load_generator(out / RESULT) for out in (whole, killed))
    different += _differences(dict(first[0].state_dict()), dict(second[0].state_dict()), RESULT)
    # The commit may be another one by now.
    different += [
        f"{RESULT}: {key}"
        for key in first[1]
        if key != "commit" and first[1][key] != second[1].get(key)
    ]
    equal = not different
    print(f"equal to the bit: {equal}", *different[:5])
    return 0 if equal else 1


def compare(one: Path, other: Path) -> list[str]:
    """Name what differs between two checkpoints."""
    return _differences(*(torch.load(path, weights_only=True) for path in (one, other)), "")


def _differences(one, other, name: str) -> list[str]:
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [name]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [name]
        return [d for key in one for d in _differences(one[key], other[key], f"{name}.{key}")]
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=True)
        return [d for i, (a, b) in enumerate(pairs) for d in _differences(a, b, f"{name}.{i}")]
    return [] if one == other else [name]


if __name__ == "__main__":
    sys.exit(main())
