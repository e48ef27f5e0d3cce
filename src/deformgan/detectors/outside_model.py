"""What every adapter of an outside network needs: its file, its library, and silence."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from deformgan.errors import InputError


def needed_file(detector: str, path: Path | None) -> Path:
    """Gives the model's file, or says that there is none.

    Args:
        detector: The detector's name on the command line.
        path: What the user gave.
    """
    if path is None:
        raise InputError(f"The detector {detector} needs its model file: {detector}:PATH.")
    if not path.is_file():
        raise InputError(f"The detector's model file {path} does not exist.")
    return path


def missing_extra(detector: str, extra: str) -> InputError:
    """Makes the error for a library that is not installed.

    Args:
        detector: The detector's name on the command line.
        extra: The extra of this package that has the library.
    """
    return InputError(
        f'The detector {detector} needs the extra "{extra}": pip install "deformgan[{extra}]".'
    )


@contextmanager
def quiet() -> Generator[None]:
    """Drops what libraries print on stderr when a network is loaded, from Python or from C++.

    They announce CPU back ends, devices and progress there, whatever the log level, and our
    commands promise that an error is one line.
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
