"""Output files and folders of commands, checked before the work starts."""

import hashlib
import os
from pathlib import Path

from deformgan.errors import InputError

_LONG = 200  # bytes; a file system allows 255


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
    except OSError as error:
        raise InputError(f"Cannot create the folder {path}: {error.strerror}.") from None
    return path


def beside(out: Path, suffix: str) -> Path:
    """Return a hidden file beside an output, whose name is allowed even if the output's is long."""
    name = out.name if len(os.fsencode(out.name)) < _LONG else _short(out.name)
    return out.with_name(f".{name}.{suffix}")


def _short(name: str) -> str:
    return f"{name[:20]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
