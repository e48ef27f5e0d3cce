"""Networks described by the header of their weights file, which may be damaged or made up.

A header is checked before anything is allocated: its configuration by a schema, and the network it
describes, which is first built without memory, by the tensors that the file really holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from torch import Tensor, nn

from deformgan.errors import InputError

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)

_MOST_LEVELS = 64  # entries of a list of widths or blocks
_WRONG = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def parse_config(path: Path, described: Mapping[str, str], kind: type[Config]) -> Config:
    """Parse the configuration in a header.

    Args:
        path: The file, for errors.
        described: Its metadata, with the JSON text "config".
        kind: A dataclass; entries that it lacks are refused.

    Raises:
        InputError: If the text is no JSON, or an entry is unknown, of another type or out of range.
    """
    try:
        values = from_json(described["config"], allow_inf_nan=False)
        unknown = _unknown(values, kind)
        if unknown:
            raise InputError(
                f"{path} was written by another version, with unknown settings: "
                f"{', '.join(sorted(unknown))}."
            )
        config = TypeAdapter(kind).validate_json(described["config"], strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "its configuration"
        raise InputError(f"{path} has a damaged header: {place}: {first['msg']}.") from None
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path} has a damaged header: its configuration is no JSON.") from None
    for name, value in values.items():
        if isinstance(value, list) and len(value) > _MOST_LEVELS:
            raise InputError(f"{path} has a damaged header: {name} has {len(value)} entries.")
    return config


def parse_metadata(path: Path, described: Mapping[str, str]) -> dict[str, Any]:
    """Parse the provenance in a header; empty if there is none."""
    try:
        metadata = from_json(described.get("metadata", "{}"))
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise InputError(f"{path} has a damaged header: its metadata are no JSON object.")
    return metadata


def build_network(path: Path, make: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """Build a network and load its weights.

    Args:
        path: The file, for errors.
        make: Builds the network.
        state: All its weights.

    Raises:
        InputError: If the network needs other tensors, before they are allocated.
    """
    try:
        with torch.device("meta"):
            needed = {name: value.shape for name, value in make().state_dict().items()}
        matches = needed == {name: value.shape for name, value in state.items()}
    except _WRONG:  # such as widths of zero, or with twenty digits
        matches = False
    if not matches:
        raise InputError(f"The weights in {path} do not match its configuration.")
    network = make()
    network.load_state_dict(dict(state))
    return network


def _unknown(values: Any, kind: Any, prefix: str = "") -> set[str]:
    """Return the entries that a dataclass lacks, at any depth."""
    if not isinstance(values, dict) or not is_dataclass(kind):
        return set()
    known = {field.name: field for field in fields(kind)}
    unknown = {f"{prefix}{name}" for name in values.keys() - known.keys()}
    for name in values.keys() & known.keys():
        for part in (known[name].type, *getattr(known[name].type, "__args__", ())):
            unknown |= _unknown(values[name], part, f"{prefix}{name}.")
    return unknown
