"""Records: metrics and sample grids of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deformgan.draw.pictures import to_pictures
from deformgan.draw.sheets import join
from deformgan.errors import InputError
from deformgan.files import append_line, read_back, remove_unfinished, write_image, write_text
from deformgan.models.generator import Generator
from deformgan.pair import Pair
from deformgan.pixels import to_bytes

METRICS, SAMPLES, TENSORBOARD = "metrics.jsonl", "samples", "tensorboard"


class Records:
    """Writer of `metrics.jsonl`, `samples/` and, optionally, TensorBoard events."""

    def __init__(self, out: Path, step: int, tensorboard: bool = False):
        """Open the records of a run.

        Args:
            out: Folder of the run.
            step: Number of completed steps; later lines are removed, since they are written again.
            tensorboard: Whether to write TensorBoard events; needs the extra `track`.
        """
        self.out = out
        for folder in (out, out / SAMPLES):
            remove_unfinished(folder)
        self.events = _open_events(out / TENSORBOARD, step) if tensorboard else None
        _drop_after(out / METRICS, step)

    def write(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Write a line of metrics."""
        append_line(self.out / METRICS, json.dumps({"step": step, **numbers}))
        if self.events is not None:
            for name, value in numbers.items():
                self.events.add_scalar(name, value, step)
            self.events.flush()

    @torch.no_grad()
    def show(self, step: int, generator: Generator, samples: Pair) -> None:
        """Write a sample grid: source, target and generated image, one pair per row."""
        was_training = generator.training
        generated = generator.eval()(
            samples.source, samples.target.pose, background=samples.target.background
        )
        generator.train(was_training)
        columns = (samples.source.image, samples.target.image, generated)
        rows = zip(*(to_pictures(to_bytes(images)) for images in columns), strict=True)
        picture = join(list(rows), gap=0)
        path = self.out / SAMPLES / f"{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        write_image(path, picture)
        if self.events is not None:
            self.events.add_image("samples", np.array(picture), step, dataformats="HWC")
            self.events.flush()


def find_tensorboard() -> type:
    """Return TensorBoard's writer class, or raise an error that names the extra with it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard needs the extra `track`: pip install 'deformgan[track]'."
        ) from None
    return SummaryWriter


def _open_events(folder: Path, step: int) -> Any:
    return find_tensorboard()(str(folder), purge_step=step + 1)


def _drop_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    with read_back(path):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    write_text(path, "".join(kept))
