"""The command `deformgan data synthesize`."""

import re
from pathlib import Path
from typing import Literal

_SMALLEST, _LARGEST = 32, 2048  # pixels of a side
_COUNTED = {"people": "people", "quadruped": "animals"}


def synthesize(
    *,
    people: int,
    per_person: int,
    out: Path,
    size: str = "128x64",
    seed: int = 0,
    framing: Literal["pedestrian", "wide", "tight", "active"] = "pedestrian",
    kind: Literal["people", "quadruped"] = "people",
    workers: int | None = None,
    json: Path | None = None,
) -> None:
    """Render synthetic people or animals with exact joints, masks and surfaces.

    Writes the layout of Market-1501: bounding_box_train/NNNN_cCs1_FFFFFF_00.jpg (person NNNN seen
    by camera C), annotation.csv (18 joints in hundredths of a pixel), masks, backgrounds (the same
    view without the person), surfaces and manifest.json. Every byte of a picture depends only on
    kind, size, seed and framing. When started again, existing pictures are kept; with more people
    or more pictures per person, the missing ones are added.

    A joint is visible if it is inside the picture and a pose detector would mark it: shoulders,
    hips and neck from every side, other joints unless the person's own body hides them by more than
    a limb's thickness, and none behind another person or object.

    surfaces/NAME.npz states which point of the body at rest each pixel centre
    shows: `place` (height, width, 3) in metres as float16, and `layer` (height, width), 255 where
    the pixel shows the scene or an object in front of the body, 254 on faces. They match two
    pictures of one person pixel by pixel. From 256 rows on, a pixel has 2x2 samples instead of 4x4.

    Needs the extra `synth`.

    Args:
        people: Number of people.
        per_person: Pictures per person, one per camera.
        out: Output folder of the data set (created if missing).
        size: Height and width of the pictures in pixels, HxW.
        seed: Random seed of everything; other seeds have other people.
        framing: "pedestrian" fills the picture with the whole person; "wide" leaves room, and in
            two of five pictures cuts off the feet, the legs or the head; "tight" cuts at the body,
            like hand-drawn boxes; "active" leaves a margin, and most people do sport or dance.
        kind: People, or four-legged animals with the 20 joints of quadruped20. --people also sets
            the number of animals. Animals have one framing and fill the picture.
        workers: Number of worker processes; by default one per core.
        json: Where to write the settings and counts as JSON.
    """
    import os
    import sys
    import time

    from deformgan.cli.outputs import output_dir, output_file
    from deformgan.cli.progress import progress
    from deformgan.errors import InputError
    from deformgan.files import write_json

    height_and_width = _read_size(size)
    for flag, value in (("--people", people), ("--per-person", per_person), ("--workers", workers)):
        if value is not None and value < 1:
            raise InputError(f"{flag} is {value}; it must be 1 or more.")
    if not 0 <= seed < 2**31:
        raise InputError(f"--seed is {seed}; it must be from 0 to {2**31 - 1}.")
    if json is not None:
        output_file(json)
    from deformgan.rendering.dataset import MOST_PEOPLE, Plan, render_dataset

    if kind != "people" and framing != "pedestrian":
        raise InputError(f"--framing {framing} is only for people; remove it for --kind {kind}.")
    if people > MOST_PEOPLE:
        raise InputError(f"--people is {people}; it must be at most {MOST_PEOPLE} per seed.")
    plan = Plan(people, per_person, height_and_width, seed, framing, kind)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    started = time.perf_counter()
    pictures = render_dataset(
        output_dir(out),
        plan,
        workers or cores or 1,
        say=lambda line: print(f"deformgan: {line}", file=sys.stderr, flush=True),
    )
    total = people * per_person
    kept = sum(was_there for _, was_there in progress(pictures, "pictures", total))
    seconds = time.perf_counter() - started
    print(
        f"{out}: {total:,} pictures of {people:,} {_COUNTED[kind]}, {total - kept:,} rendered in "
        f"{seconds:.1f} s, {kept:,} kept"
    )
    if json is not None:
        report = {
            "out": str(out),
            "people": people,
            "per_person": per_person,
            "size": list(height_and_width),
            "seed": seed,
            "framing": framing,
            "kind": kind,
            "pictures": total,
            "kept": kept,
            "seconds": seconds,
        }
        write_json(json, report)


def _read_size(text: str) -> tuple[int, int]:
    from deformgan.errors import InputError

    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise InputError(f"--size is {text!r}; it must be HEIGHTxWIDTH in pixels, such as 128x64.")
    height, width = int(match[1]), int(match[2])
    if not all(_SMALLEST <= side <= _LARGEST for side in (height, width)):
        raise InputError(f"--size is {text}; sides must be from {_SMALLEST} to {_LARGEST} pixels.")
    return height, width
