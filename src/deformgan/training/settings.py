"""change_settings: override settings of a recipe by name."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from deformgan.errors import InputError, shortened

_NONE = "none"  # disables an optional part

Settings = Mapping[str, Any]
Config = TypeVar("Config")  # a dataclass such as `TrainConfig`


def change_settings(config: Config, settings: Settings, source: str) -> Config:
    """Return a configuration with some settings changed.

    Args:
        config: The configuration to start from.
        settings: Values by name; settings of a part (`weights`, `generator`, `discriminator`) in a
            nested mapping, or with the part's name and a dot as prefix. Texts are converted to the
            type of the setting.
        source: Origin of the settings, for errors.

    Raises:
        InputError: If a name is unknown or a value is not allowed.
    """
    kind = type(config)
    values = dataclasses.asdict(config)  # ty: ignore[invalid-argument-type]
    for path, value in _flatten(settings):
        _check_name(kind, path, source, value)
        *parts, name = path
        place = values
        for part in parts:
            if place[part] is None:  # an absent optional part starts with its defaults
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
        given = (
            "" if isinstance(first["input"], dict) else f", got {shortened(repr(first['input']))}"
        )
        raise InputError(f"{where}: {reason}{given}.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file; parts are its tables."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise InputError(f"No file {path}.") from None
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # also numbers too long, lists too deep
        raise InputError(f"{path} is not TOML: {shortened(error)}.") from None


def read_flags(words: Sequence[str]) -> dict[str, Any]:
    """Read settings from a command line: `--weights.l1 100 --generator.encoder-widths 16 32`."""
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("--"):
            name, _, value = word.removeprefix("--").partition("=")
            found.pop(name, None)  # given again, it is the one that further words belong to
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
    """Convert a text where pydantic does not: to a tuple, None or a literal that is no string."""
    if not isinstance(value, str):
        return value
    holder: Any = kind
    for part in path:
        holder = _parts(holder).get(part)
    if get_origin(holder) is tuple:
        return value.split(",")
    if _parts(holder) and value == _NONE:
        return None
    if get_origin(holder) is Literal:
        return {str(choice): choice for choice in get_args(holder)}.get(value, value)
    return value


def _check_name(kind: type, path: tuple[str, ...], source: str, value: Any) -> None:
    holder: Any = kind
    if path == ("recipe",):
        raise InputError(f"{source}: the recipe is not a setting; choose another recipe instead.")
    for depth, part in enumerate(path):
        known = _parts(holder)
        if part not in known:
            given = ".".join(path)
            near = get_close_matches(part, known, n=1, cutoff=0.6)
            before = ".".join(path[:depth])
            allowed = (
                f"did you mean {'.'.join([*path[:depth], near[0]])}?"
                if near
                else f"{before or 'a recipe'} has {', '.join(known) or 'no parts'}."
            )
            raise InputError(f"{source}: unknown setting {shortened(repr(given))}; {allowed}")
        holder = known[part]
    parts, optional = _parts(holder), type(None) in get_args(holder)
    if parts and not (optional and value == _NONE):
        raise InputError(
            f"{source}: {'.'.join(path)!r} has parts; give "
            f"{f'{_NONE}, or ' if optional else ''}one of "
            f"{', '.join(f'{path[-1]}.{name}' for name in parts)}."
        )


def _parts(holder: Any) -> dict[str, Any]:
    """Return the types of a dataclass's settings, also of an optional one; else nothing."""
    if get_origin(holder) in (Union, UnionType):
        kinds = [kind for kind in get_args(holder) if dataclasses.is_dataclass(kind)]
        holder = kinds[0] if kinds else None
    return get_type_hints(holder) if dataclasses.is_dataclass(holder) else {}
