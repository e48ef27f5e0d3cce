"""Measure `deformgan generate` disk to disk: images/s, where the time goes, peak memory.

    python benchmarks/folder_throughput.py --photos 1000 --json folder.json

Photos are copies of the bundled people, each generated in one pose of the walk cycle (its own pose
is detected, as for any photo). `--rows` enlarges the copies, so that decoding, framing and encoding
cost what they do for a camera's photos. Memory is sampled during the run: it should be flat after
the first pictures. With `--kills`, the run is killed with -9 so many times and resumed; exit code 1
if the pictures then differ from those of an unbroken run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from PIL import Image

from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.pairs import write_pairs
from deformgan.files import write_json
from deformgan.pose_formats import read_annotations
from deformgan.provenance import provenance

_POLL = 0.1  # seconds


def main() -> int:
    """Run the command and print what it took."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--photos", type=int, default=1000)
    flags.add_argument("--rows", type=int, help="of the copies; by default 128, as bundled")
    flags.add_argument("--kills", type=int, default=0)
    flags.add_argument("--json", type=Path)
    flags.add_argument("generate", nargs="*", help="after --: flags of deformgan generate")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = copy_people(folder / "photos", given.photos, given.rows)
        poses = FOLDER / "walk.csv"
        pairs = zip((path.name for path in photos), cycle(read_annotations(poses).names))
        write_pairs(folder / "pairs.csv", list(pairs))
        words = [folder / "photos", poses, "--pairs", folder / "pairs.csv", *given.generate]
        command = [sys.executable, "-m", "deformgan", "generate", *map(str, words)]
        report = measure(command, folder)
        equal = True
        if given.kills:
            equal = killed_equals_whole(command, folder, given.kills)
            report["killed_and_resumed_equal"] = equal
    report |= {"photos": given.photos, "rows": given.rows or 128, **provenance()}
    report |= {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    print(json.dumps(report, indent=2))
    if given.json is not None:
        write_json(given.json, report)
    return 0 if equal else 1


def copy_people(folder: Path, count: int, rows: int | None) -> list[Path]:
    """Copy the bundled photos under new names, enlarged on request."""
    folder.mkdir()
    copies = []
    for number, path in zip(range(count), cycle(sorted(FOLDER.glob("bounding_box_train/*.jpg")))):
        copy = folder / f"{number:06d}.jpg"
        if rows is None:
            shutil.copy(path, copy)
        else:
            with Image.open(path) as photo:
                photo.resize((rows // 2, rows), Image.Resampling.BICUBIC).save(copy, quality=92)
        copies.append(copy)
    return copies


def measure(command: list[str], folder: Path) -> dict[str, object]:
    """Run the command to its end, and sample its memory."""
    out, told = folder / "whole", folder / "report.json"
    process = subprocess.Popen([*command, "--out", str(out), "--json", str(told)])
    held: list[tuple[int, float]] = []  # number of pictures, resident MB
    while process.poll() is None:
        held.append((count_pictures(out), resident_megabytes(process.pid)))
        time.sleep(_POLL)
    assert process.returncode == 0
    found = json.loads(told.read_text())
    total = found["written"]

    def peak(first: float, last: float) -> float:
        return max((mb for done, mb in held if first * total <= done <= last * total), default=0.0)

    return {
        "pictures": total,
        "seconds": found["seconds"],
        "images_per_second": total / found["seconds"],
        "seconds_by_activity": found["seconds_by_activity"],
        "peak_mb": {
            "first tenth": peak(0, 0.1),
            "second to fifth tenth": peak(0.1, 0.5),
            "last half": peak(0.5, 1),
        },
    }


def resident_megabytes(process: int) -> float:
    """Return what a process holds in memory; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def killed_equals_whole(command: list[str], folder: Path, kills: int) -> bool:
    """Kill runs after equal shares of the pictures, resume them, and compare every byte."""
    whole, out = folder / "whole", folder / "killed"
    total = count_pictures(whole)
    for kill in range(kills):
        process = subprocess.Popen([*command, "--out", str(out)])
        while count_pictures(out) < total * (kill + 1) / (kills + 1) and process.poll() is None:
            time.sleep(_POLL)
        process.kill()
        process.wait()
        print(f"killed {kill + 1}: {count_pictures(out)} pictures", flush=True)
    subprocess.run([*command, "--out", str(out)], check=True)
    return {path.name: path.read_bytes() for path in whole.iterdir()} == {
        path.name: path.read_bytes() for path in out.iterdir()
    }


def count_pictures(folder: Path) -> int:
    """Return the number of finished pictures in a folder."""
    return sum(1 for _ in folder.glob("[!.]*__*"))


if __name__ == "__main__":
    raise SystemExit(main())
