"""`deformgan generate` into a folder: every photo in every pose."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.bulk import RECORD, Bulk, find_pairs, list_sources, list_targets
from deformgan.checkpoint import weights_sum
from deformgan.cli.arguments import read_size
from deformgan.cli.outputs import output_dir
from deformgan.cli.pictures import WITH_ALPHA, write_picture
from deformgan.cli.progress import progress
from deformgan.device import choose_precision, find_device
from deformgan.errors import InputError, printable
from deformgan.files import one_at_a_time, read_back, write_json
from deformgan.predict import PoseTransfer
from deformgan.scene import read_background
from deformgan.skeletons import check_skeleton

_INCOMPLETE = 1
_LOCK = ".generate.lock"


def generate_folder(
    photos: Sequence[str],
    poses: Sequence[str],
    out: Path,
    *,
    pairs: Path | None,
    suffix: str,
    weights: str,
    detector: str,
    person: int,
    pose_person: int,
    source_pose: str | None,
    min_score: float | None,
    skeleton: str | None,
    size: str | None,
    background: str | None,
    paste: bool,
    noise_seed: int | None,
    device: str,
    precision: str,
    metadata: bool,
    report: Path | None,
) -> int:
    """Generate every photo in every pose, or the pairs of a table; see `generate`.

    Returns:
        1 if pictures are missing because a photo or a pose failed, else 0.
    """
    started = time.perf_counter()
    asked = read_size(size)
    if background == "none" and suffix not in WITH_ALPHA:
        raise InputError(
            f"--background none is transparent, which {suffix} files cannot store; use --format "
            "png or webp."
        )
    precise = choose_precision(precision, find_device(device))
    transfer = PoseTransfer.from_pretrained(weights, device, detector=detector, precision=precise)
    joints = check_skeleton(skeleton, transfer.skeleton)
    scene = read_background(background)
    transfer.staging.check_size(asked)
    transfer.staging.check_background(scene)
    if paste and not transfer.layered:
        raise InputError(f"--paste needs weights with layers, unlike {weights}.")
    sources = list_sources(photos, source_pose, joints, min_score)
    targets = list_targets(poses, pose_person, joints, min_score)
    bulk = Bulk(
        transfer,
        sources,
        targets,
        out,
        partial(
            write_picture,
            metadata=replace(transfer.metadata, composed=paste) if metadata else None,
        ),
        suffix=suffix,
        pairs=None if pairs is None else find_pairs(pairs, sources, targets),
        person=person,
        pose_person=pose_person,
        size=asked,
        background=scene if isinstance(scene, np.ndarray) else background,  # a photo is read once
        paste=paste,
        noise_seed=noise_seed,
    )
    settings = {
        "weights": weights,
        "weights_sha256": weights_sum(weights),
        "detector": detector,
        "person": person,
        "pose_person": pose_person,
        "source_pose": source_pose,
        "min_score": min_score,
        "size": size,
        "background": background,
        "paste": paste,
        "noise_seed": noise_seed,
        # Absent from the records of earlier versions, which had no other precision.
        "precision": None if precise == "float32" else precise,
        "metadata": None if metadata else "off",
    }
    output_dir(out)
    with one_at_a_time(out / _LOCK, str(out)):
        _record(out, settings)
        done = bulk.run(progress, _print_failure)
    seconds = time.perf_counter() - started
    counts = f"{done.written} pictures written"
    counts += f", {done.kept} kept" * bool(done.kept)
    counts += f", {len(done.failures)} failed" * bool(done.failures)
    print(f"{out} ({counts}, {seconds:.1f} s)")
    if report is not None:
        write_json(
            report,
            {
                "photos": list(photos),
                "poses": list(poses),
                "pairs": pairs and str(pairs),
                "out": str(out),
                **settings,
                "written": done.written,
                "kept": done.kept,
                "failures": done.failures,
                "seconds": seconds,
                "seconds_by_activity": done.seconds,
            },
        )
    return _INCOMPLETE if done.failures else 0


def _record(out: Path, settings: dict[str, Any]) -> None:
    """Write down how the pictures of a folder are made; refuse to mix in others."""
    path = out / RECORD
    if not path.is_file():
        write_json(path, settings)
        return
    with read_back(path):
        earlier = dict(json.loads(path.read_text(encoding="utf-8")))
    for name, value in settings.items():
        if (before := earlier.get(name)) != value:
            words = ["the default" if one is None else one for one in (before, value)]
            raise InputError(
                f"The pictures in {out} were made with {name} {words[0]}, not {words[1]}; use "
                "another folder."
            )


def _print_failure(name: str, reason: str) -> None:
    line = reason if name in reason else f"{name}: {reason}"
    # On a terminal, the progress bar is on this line.
    erase = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{erase}deformgan: {printable(line)}", file=sys.stderr)
