"""Checkpoints of a run: written atomically, and loaded only into the same run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.files import read_back, remove_unfinished, written_beside

FOLDER = "checkpoints"
_REMEDY = "remove it to go on from the one before"
# Settings that may change when a run is resumed.
_FREE = {"steps", "decay_steps", "log_every", "save_every", "keep", "compile"}


@runtime_checkable
class Learner(Protocol):
    """Everything that a run changes: networks, optimizers, averages."""

    def state(self) -> dict[str, Any]:
        """Return the complete state, in types that `torch.load` reads with `weights_only`."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a state returned by `state`."""
        ...


def checkpoints(out: Path) -> list[Path]:
    """List the checkpoints of a run, oldest first."""
    found = (out / FOLDER).glob("*.pt")
    return sorted(path for path in found if re.fullmatch(r"\d{7,}", path.stem))


def steps_saved(out: Path) -> int:
    """Return the step of a run's last checkpoint, 0 without one."""
    saved = checkpoints(out)
    return int(saved[-1].stem) if saved else 0


def save_checkpoint(
    out: Path,
    learner: Learner,
    config: Any,
    step: int,
    data: list[dict[str, Any]],
    seen: Sequence[Mapping[str, Tensor]] = (),
) -> None:
    """Write a checkpoint atomically, and remove the oldest beyond `keep`.

    Args:
        out: Folder of the run.
        learner: Its state after `step` steps is saved.
        config: The run, a dataclass whose `keep` is the number of checkpoints to keep.
        step: Number of completed steps.
        data: Fingerprint of the training data, see `PairBatches.fingerprint`.
        seen: Loss terms of the last steps, which no line of the metrics has averaged yet.
    """
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    state = {"step": step, "config": _identity(config), "data": json.dumps(data)}
    state["seen"] = [{name: value.cpu() for name, value in terms.items()} for terms in seen]
    save_state(folder / f"{step:07d}.pt", {**state, **learner.state()})
    for old in checkpoints(out)[: -config.keep]:
        old.unlink()


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state atomically, and remove what killed runs left unfinished in its folder."""
    remove_unfinished(path.parent)
    # A file object, since given a path, `torch.save` writes the file's name into the file.
    with written_beside(path) as unfinished, unfinished.open("wb") as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:  # of the archive, which notices an error of the system late
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(
    path: Path, learner: Learner, config: Any, data: list[dict[str, Any]]
) -> tuple[int, list[dict[str, Tensor]]]:
    """Restore a learner from a checkpoint of the same run.

    Args:
        path: A checkpoint.
        learner: Changed in place.
        config: Must equal the run's own, except for the number of steps and the logging settings.
        data: Must equal the fingerprint of the run's training data.

    Returns:
        The number of completed steps, and the loss terms of those that no line of the metrics has
        averaged yet; the latter are missing from checkpoints of version 0.2.0 and before.
    """
    state = read_checkpoint(path)
    with read_back(path, _REMEDY):
        mine, theirs = _identity(config), _completed(state["config"], config)
        changed = [name for name in mine if mine[name] != theirs[name]]
        others = json.loads(state["data"]) != json.loads(json.dumps(data))
    if changed:
        raise InputError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}); resume with the "
            "same, or choose another folder."
        )
    if others:
        raise InputError(
            f"{path} belongs to a run with other photos; resume with the same, or choose another "
            "folder."
        )
    try:
        learner.load_state(state)
        return int(state["step"]), list(state.get("seen", []))
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise _unreadable(path, error) from None


def last_discriminator(out: Path, config: Any) -> dict[str, Tensor] | None:
    """Return the weights of the discriminator in a run's last checkpoint.

    Args:
        out: Folder of the run.
        config: The run to start, whose discriminator must have the same configuration.

    Returns:
        Weights by name; None without a checkpoint.

    Raises:
        InputError: If the discriminator has another configuration.
    """
    if not (saved := checkpoints(out)):
        return None
    state = read_checkpoint(saved[-1])
    with read_back(saved[-1], _REMEDY):
        theirs = _completed(state["config"], config)["discriminator"]
        weights = dict(state["discriminator"])
    if theirs != _identity(config)["discriminator"]:
        raise InputError(
            f"The discriminator of {out} has another configuration; to start with a new one, give "
            "the run's generator.safetensors."
        )
    return weights


def read_checkpoint(path: Path) -> Any:
    """Read a checkpoint, whatever it contains; raise `InputError` if it is unreadable."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, UnpicklingError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path} cannot be read ({reason}); {_REMEDY}.")


def _identity(config: Any) -> dict[str, str]:
    """Return the settings that must be equal to resume a run, each as JSON."""
    return {name: json.dumps(v) for name, v in asdict(config).items() if name not in _FREE}


def _completed(identity: Mapping[str, str], config: Any) -> dict[str, str]:
    """Fill in settings that are newer than the checkpoint with their default values."""
    complete = {}
    for field in fields(config):
        if field.name in _FREE:
            continue
        value = json.loads(identity.get(field.name, "null"))
        mine = getattr(config, field.name)
        if is_dataclass(mine):
            value = {part.name: part.default for part in fields(mine)} | (value or {})
        elif field.name not in identity:
            value = field.default
        complete[field.name] = json.dumps(value)
    return complete
