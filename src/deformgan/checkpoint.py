"""save_generator, load_generator: generators as self-describing safetensors files."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deformgan.backbones.weights_header import build_network, parse_config, parse_metadata
from deformgan.errors import InputError
from deformgan.files import (
    bundled,
    read_safetensors,
    read_safetensors_header,
    write_safetensors,
)
from deformgan.hub import PREFIX, fetch_weights
from deformgan.models.generator import Generator, GeneratorConfig

BUNDLED = bundled("weights")

_FACTOR = ".factor"  # ends the names of the factors of int8 weights

_log = logging.getLogger(__name__)


def bundled_weights() -> list[str]:
    """List the names of the generators bundled with the package."""
    return sorted(path.stem for path in BUNDLED.glob("*.safetensors") if _is_generator(path))


def _is_generator(path: Path) -> bool:
    # Our other networks have a "kind" in their metadata.
    return "kind" not in read_safetensors_header(path)[1]


def save_generator(
    path: Path,
    generator: Generator,
    metadata: Mapping[str, Any],
    dtype: torch.dtype = torch.half,
    base: str | None = None,
) -> None:
    """Write weights, configuration and metadata atomically.

    Args:
        path: A .safetensors file; replaced if it exists.
        generator: Its parameters are rounded to `dtype`.
        metadata: Provenance: recipe, commit, data, steps, size, terms, measured numbers. Any JSON
            value is allowed.
        dtype: Data type of the stored weights. With `torch.int8`, convolutions are stored as
            integers up to 127 and one factor per row of the first axis (the output channel, but
            for transposed convolutions), all else in half precision.
        base: Name of bundled weights. Only weights that differ from them are written, with
            `torch.int8` as differences; reading the file loads the base by this name, and requires
            it to be unchanged.
    """
    eight_bits = dtype == torch.int8
    if eight_bits:
        dtype = torch.half
    weights = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in generator.state_dict().items()
    }
    described = {
        "config": json.dumps(asdict(generator.config)),
        "metadata": json.dumps(dict(metadata)),
    }
    known: dict[str, Tensor] = {}
    if base is not None:
        known = _read(find_weights_file(base))[0]
        weights = {
            name: value
            for name, value in weights.items()
            if name not in known or not value.equal(known[name].to(dtype))
        }
        described |= {"base": base, "base_sha256": weights_sum(base)}
    if eight_bits:
        state = generator.state_dict()
        for name in [name for name, value in weights.items() if value.ndim > 1]:
            difference = state[name].detach().cpu().float() - known.get(name, 0)
            weights[name], weights[name + _FACTOR] = _to_eight_bits(difference)
    write_safetensors(path, weights, described)


def _to_eight_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution's weight as int8, and the factor of each row of its first axis."""
    shape = (-1, *[1] * (weight.ndim - 1))
    factor = weight.abs().flatten(1).amax(dim=1).clamp(min=1e-30) / 127
    return (weight / factor.view(shape)).round().to(torch.int8), factor


def _from_eight_bits(
    path: Path, tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return a file's weights in float32; int8 are differences from the base's, if it has one.

    Raises:
        InputError: If an int8 weight lacks its factors, or if they or the base have another shape.
    """
    state = {}
    for name, tensor in tensors.items():
        if name.endswith(_FACTOR):
            continue
        state[name] = tensor.float()
        if tensor.dtype != torch.int8:
            continue
        factor, known = tensors.get(name + _FACTOR), base.get(name)
        if factor is None or factor.shape != tensor.shape[:1]:
            raise InputError(f"{path} is damaged: {name!r} lacks a factor for each channel.")
        state[name] *= factor.float().view(-1, *[1] * (tensor.ndim - 1))
        if known is not None:
            if known.shape != tensor.shape:
                raise InputError(f"{path} is damaged: {name!r} does not have its base's shape.")
            state[name] += known
    return state


def load_generator(
    weights: str | Path = "pedestrian",
    device: str | torch.device = "cpu",
    background: bool = False,
) -> tuple[Generator, dict[str, Any]]:
    """Load a generator in evaluation mode, and log its terms of use once.

    Args:
        weights: Name of bundled weights, path of a .safetensors file, or name on the hub, see
            `find_weights_file`.
        device: Device of the generator.
        background: Whether the caller provides the background that some generators need; those are
            rejected otherwise.

    Returns:
        The generator in evaluation mode, in float32, and its metadata.
    """
    path = find_weights_file(weights)
    state, described = _read(path)
    if "config" not in described or "kind" in described:
        raise InputError(f"{path} holds no deformgan generator: its metadata lack a configuration.")
    config = parse_config(path, described, GeneratorConfig)
    generator = build_network(path, lambda: Generator(config), state)
    if generator.config.background and not background:
        raise InputError(
            f"The weights {path.stem} need a background photo for every picture: use them with the "
            "background of generate or animate."
        )
    metadata = parse_metadata(path, described)
    if "terms" in metadata:
        _say_once(f"{path.stem}: {metadata['terms']}")
    return generator.eval().to(device), metadata


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the weights in a file, with those of its base, and the metadata in its header."""
    tensors, described = read_safetensors(path)
    known: dict[str, Tensor] = {}
    if (base := described.get("base")) is not None:
        if base not in bundled_weights():
            raise InputError(f"{path} needs the weights {base!r}, which are not bundled.")
        if weights_sum(base) != described.get("base_sha256"):
            raise InputError(f"{path} needs another version of the weights {base!r}.")
        known = _read(find_weights_file(base))[0]
    return known | _from_eight_bits(path, tensors, known), described


@cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)


def find_weights_file(weights: str | Path) -> Path:
    """Find a weights file.

    Args:
        weights: Name of bundled weights; else path of a file; else, if it begins with hf://, a name
            on the Hugging Face hub (see `fetch_weights`).

    Raises:
        InputError: If there is no such file.
    """
    path = BUNDLED / f"{weights}.safetensors"
    if not path.is_file():
        path = Path(weights)
    if not path.is_file() and str(weights).startswith(PREFIX):
        return fetch_weights(str(weights))
    if not path.is_file():
        raise InputError(
            f"No weights {str(weights)!r}; give a .safetensors file, hf://OWNER/NAME or one of the "
            f"bundled: {', '.join(bundled_weights()) or 'none'}."
        )
    return path


def weights_sum(weights: str | Path) -> str:
    """Return the SHA-256 of a weights file, located as by `find_weights_file`."""
    with find_weights_file(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
