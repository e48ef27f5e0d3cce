"""find_weights, read_network: files of published weights, and of our own.

Published weights are never part of this package and never downloaded: the user gives a path, or the
file is in torch's hub folder under its published name.
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
    """A weights file, with its name for reports.

    Attributes:
        path: Path of the file.
        sha256: SHA-256 of the whole file.
        published: Whether it is the published file, by SHA-256, not by name.
        name: The published name without extension, or the file's own.
    """

    path: Path
    sha256: str
    published: bool
    name: str


def find_weights(user: str, url: str, given: Path | None, sha256: str = "") -> WeightsFile:
    """Locate a weights file, or raise an error that names the file and where it is expected.

    Args:
        user: What needs the weights, for errors, such as "LPIPS".
        url: URL of the published file; only the file name is used.
        given: The path given by the user; None looks in torch's hub folder.
        sha256: SHA-256 of the published file. By default the digits at the end of the file's name,
            by torch's convention.
    """
    name = Path(urlparse(url).path).name
    expected = sha256 or Path(name).stem.rpartition("-")[2]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = given or folder / name
    if not path.is_file():
        missing = f"{given} does not exist" if given else "no path is given"
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
    """Read a state dict without executing code from the file.

    Args:
        file: The result of `find_weights`.
        network: Expected network, for errors, such as "torchvision's alexnet".
    """
    try:
        state: Any = torch.load(file.path, map_location="cpu", weights_only=True)
    except Exception:  # a file of another kind can raise anything
        raise not_weights(file, network) from None
    if not isinstance(state, dict):
        raise not_weights(file, network)
    return state


def not_weights(file: WeightsFile, network: str) -> InputError:
    """Return the error for a file with other content."""
    return InputError(f"{file.path} is not a state dict of {network}.")


def read_network(path: Path, kind: str, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read one of our own weights files, other than a generator's.

    Args:
        path: A .safetensors file.
        kind: The required "kind" in the metadata.
        what: Description of that kind for errors, such as "person embedding".

    Returns:
        A state dict, with rounded weights in float32, and the file's metadata.
    """
    if not path.exists():
        raise InputError(f"The {what} {path} does not exist.")
    tensors, described = read_safetensors(path)
    if described.get("kind") != kind:
        raise InputError(f"{path} holds no {what}.")
    # The batch counters of normalization layers remain integers.
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return state, described
