"""Render backgrounds without people: negative examples for training the bundled detector.

python benchmarks/render_empty_places.py --out runs/empty --count 700
"""

import sys
from dataclasses import replace
from pathlib import Path

from deformgan.rendering import render_people, sample_identity
from deformgan.rendering.dataset import sample_shot, save_jpeg


def main(out: Path, count: int = 700, size: tuple[int, int] = (160, 128), seed: int = 7) -> None:
    """Write the backgrounds of as many pictures of people, without any passer-by.

    Args:
        out: Folder for the pictures; created.
        count: How many.
        size: Height and width in pixels.
        seed: Of everything.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        shot = sample_shot(sample_identity(number), seed, view=0, framing="wide")
        taken = render_people([replace(shot, others=())], size)
        save_jpeg(taken.background[0], out / f"{number:04d}.jpg")
        print(f"\rplaces {number + 1}/{count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
