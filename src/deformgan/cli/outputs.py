"""Output files of commands: checked before the work starts, never left incomplete."""

import json
import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deformgan.errors import InputError


def output_file(path: Path) -> Path:
    """Check that a file can be written, before the work starts.

    Args:
        path: The output file. Its folder must exist; an existing file will be replaced.

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
    """Create an output folder and its parents if missing.

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
    """Write a file atomically: it appears under its name only when complete.

        with written_beside(out) as unfinished:
            image.save(unfinished)

    Args:
        path: Final name of the file.

    Yields:
        A hidden name in the same folder with the same suffix (so that image libraries recognize the
        format). On success the file moves to `path`; on an error it is removed, and an earlier file
        at `path` is kept.
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, data: object) -> None:
    """Write a report atomically as JSON.

    Args:
        path: The file.
        data: Dictionaries, lists, strings and plain Python numbers. Numbers that are not finite
            become null, since JSON cannot represent them.
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
