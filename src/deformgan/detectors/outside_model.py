"""Helpers for adapters of external networks: model file, library, and suppressed output."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from deformgan.errors import InputError


def needed_file(detector: str, path: Path | None) -> Path:
    """Return the model file after checking that it exists.

    Args:
        detector: The detector's name on the command line.
        path: Path given by the user.
    """
    if path is None:
        raise InputError(f"The detector {detector} needs its model file: {detector}:PATH.")
    if not path.is_file():
        raise InputError(f"The detector's model file {path} does not exist.")
    return path


def missing_extra(detector: str, extra: str) -> InputError:
    """Return the error for a library that is not installed.

    Args:
        detector: The detector's name on the command line.
        extra: Extra of this package that installs the library.
    """
    return InputError(
        f'The detector {detector} needs the extra "{extra}": pip install "deformgan[{extra}]".'
    )


@contextmanager
def quiet() -> Generator[None]:
    """Discard what libraries print to stderr while a network loads, from Python or C++.

    They report CPU backends, devices and progress regardless of the log level, but our commands
    guarantee that an error is one line.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
