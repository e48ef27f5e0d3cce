"""train: steps, records, checkpoints; and going on where a run stopped."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

import deformgan
from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import save_generator
from deformgan.datasets.batches import PairBatches, to_bytes
from deformgan.errors import InputError
from deformgan.models.generator import Generator
from deformgan.pair import Pair
from deformgan.training.config import TrainConfig
from deformgan.training.step import Players, train_step

CHECKPOINT, METRICS, RESULT = "checkpoint.pt", "metrics.jsonl", "generator.safetensors"


def train(
    config: TrainConfig,
    batches: PairBatches,
    out: Path,
    *,
    features: Vgg19Features | None,
    samples: Pair | None,
    device: torch.device,
    metadata: Mapping[str, Any],
    resume: bool = False,
    report: Callable[[str], None] = print,
) -> Path:
    """Runs a recipe to its last step.

    In `out` it keeps `metrics.jsonl` (one line per `log_every` steps), `samples/` (source, target
    and generated, side by side), `checkpoint.pt` (everything that resuming needs) and
    `generator.safetensors` (the averaged generator). Files are written beside and renamed, so a run
    that is killed leaves the last complete ones.

    Args:
        config: The run.
        batches: Where the pairs of each step come from.
        out: An existing folder.
        features: VGG-19 for the loss terms; None if none needs it.
        samples: Pairs to show; None for no pictures.
        device: Where to train.
        metadata: Goes into the weights file, with the steps and samples that were trained.
        resume: Whether to go on from the folder's checkpoint, if it has one.
        report: Is told each line of progress.

    Returns:
        Path of the trained generator.
    """
    players = Players.create(config, device)
    checkpoint = out / CHECKPOINT
    start = load_checkpoint(checkpoint, players, config) if resume and checkpoint.exists() else 0
    _drop_after(out / METRICS, start)
    begun, last = time.monotonic(), time.monotonic()
    seen: list[dict[str, Float[Tensor, ""]]] = []
    for step in range(start, config.steps):
        # Dropout draws from torch's own generator: seeding it by step makes resuming exact.
        torch.manual_seed(config.seed * 1_000_003 + step)
        seen.append(train_step(players, batches[step], features, config))
        done = step + 1
        if done % config.log_every == 0 or done == config.steps:
            terms = {name: _mean([terms[name] for terms in seen]) for name in seen[0]}
            now = time.monotonic()
            speed = len(seen) * config.batch_size / (now - last)
            seen, last = [], now
            _append(out / METRICS, {"step": done, "samples_per_second": speed, **terms})
            left = (now - begun) / (done - start) * (config.steps - done)
            summary = "  ".join(f"{name} {value:.3f}" for name, value in terms.items())
            report(
                f"{done}/{config.steps}  {speed:.1f} samples/s  {left / 60:.0f} min left  {summary}"
            )
        if done % config.save_every == 0 or done == config.steps:
            _save(out, players, config, done, metadata)
            if samples is not None:
                _save_samples(out, result_of(players, config), samples, done)
    return out / RESULT


def result_of(players: Players, config: TrainConfig) -> Generator:
    """Gives the generator that a run keeps: the average, or the last weights without one."""
    module = players.average.module if config.ema_decay else players.generator
    assert isinstance(module, Generator)
    return module


def load_checkpoint(path: Path, players: Players, config: TrainConfig) -> int:
    """Takes players back to where a run stopped.

    Args:
        path: `checkpoint.pt` of a run.
        players: Changed in place.
        config: Must be the run's own, but for its number of steps and its records.

    Returns:
        The number of steps done.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine, theirs = _identity(config), state["config"]
    changed = [name for name in mine if mine[name] != theirs.get(name)]
    if changed:
        raise InputError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}); resume with the "
            "same, or choose another folder."
        )
    for name, player in _parts(players).items():
        player.load_state_dict(state[name])
    return state["step"]


def _parts(players: Players) -> dict[str, Any]:
    return {
        "generator": players.generator,
        "discriminator": players.discriminator,
        "generator_optimizer": players.generator_optimizer,
        "discriminator_optimizer": players.discriminator_optimizer,
        "average": players.average,
    }


def _identity(config: TrainConfig) -> dict[str, Any]:
    """What must be equal for a run to be resumed, in types that need no unpickling of classes."""
    free = {"steps", "log_every", "save_every"}
    return {name: json.dumps(v) for name, v in asdict(config).items() if name not in free}


def _save(
    out: Path, players: Players, config: TrainConfig, done: int, metadata: Mapping[str, Any]
) -> None:
    state = {name: player.state_dict() for name, player in _parts(players).items()}
    unfinished = out / f".{CHECKPOINT}.unfinished"
    torch.save({"step": done, "config": _identity(config), **state}, unfinished)
    unfinished.replace(out / CHECKPOINT)
    described = {
        **metadata,
        "recipe": config.recipe,
        "steps": done,
        "samples": done * config.batch_size,
        "seed": config.seed,
    }
    save_generator(out / RESULT, result_of(players, config), described)


@torch.no_grad()
def _save_samples(out: Path, generator: Generator, samples: Pair, done: int) -> None:
    generator.eval()
    generated = generator(samples.source, samples.target.pose)
    generator.train()
    rows = torch.stack([samples.source.image, samples.target.image, generated], dim=1)
    rows = to_bytes(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
    picture = rows.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1).cpu().numpy()  # (B*H, 3*W, 3)
    (out / "samples").mkdir(exist_ok=True)
    Image.fromarray(picture).save(out / "samples" / f"{done:07d}.png")


def _mean(values: list[Tensor]) -> float:
    return torch.stack(values).mean().item()


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def _drop_after(path: Path, done: int) -> None:
    """Drops the records of steps that come again, since the checkpoint is older than they are."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= done]
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text("".join(kept))
    unfinished.replace(path)


def provenance() -> dict[str, str]:
    """Tells what is training: version, commit (where the source is a git checkout) and date."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:  # no git here
        commit = ""
    return {
        "version": deformgan.__version__,
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
    }
