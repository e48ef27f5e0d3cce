"""What commands write: checked before the work, never left half written."""

import json
import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deformgan.errors import InputError


def output_file(path: Path) -> Path:
    """Checks, before any work is done, that a file can be written.

    Args:
        path: Where the file shall be. Its folder must exist; a file there will be replaced.

    Returns:
        The same path.
    """
    if not path.parent.is_dir():
        raise InputError(f"Cannot write {path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise InputError(f"Cannot write {path}: it is a folder, give the name of a file.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"Cannot write {path}: the folder {path.parent} is not writable.")
    return path


def output_dir(path: Path) -> Path:
    """Creates a folder for results, with its parents, unless it is there already.

    Args:
        path: The folder.

    Returns:
        The same path.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"Cannot create the folder {path}: a file is in its place.") from None
    except PermissionError:
        raise InputError(f"Cannot create the folder {path}: permission denied.") from None
    return path


@contextmanager
def written_beside(path: Path) -> Generator[Path]:
    """Lets a file appear under its name only when it is complete.

        with written_beside(out) as unfinished:
            image.save(unfinished)

    Args:
        path: The file's final name.

    Yields:
        A hidden name in the same folder with the same suffix (so that image libraries recognize
        the format). The file moves to `path` at the end; after an error it is removed, and what
        was at `path` before stays.
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, data: object) -> None:
    """Writes a report, all of it or nothing.

    Args:
        path: The file.
        data: Dictionaries, lists, strings and plain Python numbers. A number that is not finite
            becomes null, since JSON has no word for it.
    """
    with written_beside(path) as unfinished:
        unfinished.write_text(json.dumps(_finite(data), indent=2, allow_nan=False) + "\n")


def _finite(data: object) -> object:
    match data:
        case float() if not math.isfinite(data):
            return None
        case dict():
            return {key: _finite(value) for key, value in data.items()}
        case list() | tuple():
            return [_finite(value) for value in data]
        case _:
            return data
