"""change_settings: a recipe, changed by name."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from deformgan.errors import InputError

Settings = Mapping[str, Any]
Config = TypeVar("Config")  # a dataclass such as `TrainConfig`


def change_settings(config: Config, settings: Settings, source: str) -> Config:
    """Gives a configuration with some of its settings changed.

    Args:
        config: Where to begin.
        settings: By name; those of a part (`weights`, `generator`, `discriminator`) in a mapping of
            their own, or with the part's name and a dot before theirs. Texts are read as the type
            that the setting has.
        source: Where they come from, for errors.

    Raises:
        InputError: If a name is unknown or a value is not allowed.
    """
    kind = type(config)
    values = dataclasses.asdict(config)  # ty: ignore[invalid-argument-type]
    for path, value in _flatten(settings):
        _check_name(kind, path, source)
        *parts, name = path
        place = values
        for part in parts:
            if place[part] is None:  # a part that this recipe does without
                place[part] = {}
            place = place[part]
        place[name] = _from_text(kind, path, value)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(part for part in first["loc"] if isinstance(part, str))
        where = f"{source}: {name}" if name else source
        if first["type"] == "missing":  # in a tuple
            reason = "too few values"
        else:
            reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        given = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        raise InputError(f"{where}: {reason}{given}.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Reads settings from a TOML file; parts are its tables."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise InputError(f"No file {path}.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None


def read_flags(words: Sequence[str]) -> dict[str, Any]:
    """Reads settings from a command line: `--weights.l1 100 --generator.encoder-widths 16 32`."""
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("--"):
            name, _, value = word.removeprefix("--").partition("=")
            found[name] = [value] if value else []
        elif found:
            found[next(reversed(found))].append(word)
        else:
            raise InputError(f"Unexpected word {word!r}; settings are given as --name value.")
    for name, values in found.items():
        if not values:
            raise InputError(f"--{name} needs a value.")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _flatten(settings: Settings, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple, Any]]:
    for name, value in settings.items():
        path = (*before, *name.replace("-", "_").split("."))
        if isinstance(value, Mapping):
            yield from _flatten(value, path)
        else:
            yield path, value


def _from_text(kind: type, path: tuple[str, ...], value: Any) -> Any:
    """Reads a text where pydantic does not: as several values, or as one of a few numbers."""
    if not isinstance(value, str):
        return value
    holder: Any = kind
    for part in path:
        holder = _parts_of(holder).get(part)
    if get_origin(holder) is tuple:
        return value.split(",")
    if get_origin(holder) is Literal:
        return {str(choice): choice for choice in get_args(holder)}.get(value, value)
    return value


def _parts_of(holder: Any) -> dict[str, Any]:
    """Name the settings of a part and their types; a part that may be None has its own."""
    if not dataclasses.is_dataclass(holder):
        return {}
    return {name: _without_none(kind) for name, kind in get_type_hints(holder).items()}


def _without_none(kind: Any) -> Any:
    left = [one for one in get_args(kind) if one is not NoneType]
    return left[0] if len(left) == 1 and NoneType in get_args(kind) else kind


def _check_name(kind: type, path: tuple[str, ...], source: str) -> None:
    holder: Any = kind
    if path == ("recipe",):
        raise InputError(f"{source}: the recipe is not a setting; name another one.")
    for depth, part in enumerate(path):
        known = _parts_of(holder)
        if part not in known:
            given = ".".join(path)
            near = get_close_matches(part, known, n=1, cutoff=0.6)
            before = ".".join(path[:depth])
            allowed = (
                f"did you mean {'.'.join([*path[:depth], near[0]])}?"
                if near
                else f"{before or 'a recipe'} has {', '.join(known) or 'no parts'}."
            )
            raise InputError(f"{source}: unknown setting {given!r}; {allowed}")
        holder = known[part]
    if dataclasses.is_dataclass(holder):
        raise InputError(
            f"{source}: {'.'.join(path)!r} has parts; give one of "
            f"{', '.join(f'{path[-1]}.{name}' for name in _parts_of(holder))}."
        )
