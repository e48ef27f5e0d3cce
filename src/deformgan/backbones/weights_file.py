"""find_weights: a file of published weights that is never part of this package, and never fetched.

The user gives its path, or it already lies in torch's hub folder under its published name. And
`read_network`: a file of weights of ours.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from deformgan.errors import InputError
from deformgan.files import read_safetensors


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights, and how a report calls it.

    Attributes:
        path: Where it is.
        sha256: Of the whole file.
        published: Whether it is the published one; its sum says so, not its name.
        name: The published name without extension, else the file's own.
    """

    path: Path
    sha256: str
    published: bool
    name: str


def find_weights(user: str, url: str, given: Path | None, sha256: str = "") -> WeightsFile:
    """Finds a file of weights, or says in one sentence which is missing and where it is looked for.

    Args:
        user: Who needs it, for errors: "LPIPS".
        url: Where its publishers have it; only the file's name in it is used.
        given: What the user gave; None to look into torch's hub folder.
        sha256: Of the published file. By default the digits that torch's convention puts at the end
            of a file's name.
    """
    name = Path(urlparse(url).path).name
    expected = sha256 or Path(name).stem.rpartition("-")[2]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = given or folder / name
    if not path.is_file():
        missing = f"{given} does not exist" if given else "they are not given"
        raise InputError(
            f"{user} needs its published weights, and {missing}: give a path to {name}, "
            f"or put that file into {folder}."
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    published = found.startswith(expected)
    if given is None and not published:
        raise InputError(
            f"{path} is damaged: its SHA-256 is {found[: len(expected)]}, "
            f"the published file has {expected}."
        )
    return WeightsFile(path, found, published, Path(name).stem if published else path.stem)


def read_state(file: WeightsFile, network: str) -> dict[str, Tensor]:
    """Reads a state dict; nothing in the file is run.

    Args:
        file: What `find_weights` found.
        network: Whose weights it should be, for errors: "torchvision's alexnet".
    """
    try:
        state: Any = torch.load(file.path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a file of another kind does to a reader
        raise not_weights(file, network) from None
    if not isinstance(state, dict):
        raise not_weights(file, network)
    return state


def not_weights(file: WeightsFile, network: str) -> InputError:
    """Makes the error for a file that holds something else."""
    return InputError(f"{file.path} is not a state dict of {network}.")


def read_network(path: Path, kind: str, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads one of our files of weights, other than a generator's.

    Args:
        path: A .safetensors file.
        kind: What its metadata must say that it holds.
        what: How an error calls that: "person embedding".

    Returns:
        A state dict, in float32 where it was rounded, and what the file says of itself.
    """
    if not path.exists():
        raise InputError(f"The {what} {path} does not exist.")
    tensors, described = read_safetensors(path)
    if described.get("kind") != kind:
        raise InputError(f"{path} holds no {what}.")
    # The norms' counters of batches stay integers.
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return state, described
