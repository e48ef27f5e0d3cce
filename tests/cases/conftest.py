"""Inputs that failed once: `../shared/cases`."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from deformgan.cli.main import main

_CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture
def case():
    """Return a function that returns the folder of a case; skip where there are none."""

    def folder(name):
        path = _CASES / name
        if not path.is_dir():
            pytest.skip(f"needs {path}")
        return path

    return folder


@pytest.fixture
def run(capsys):
    """Return a function that runs a command and returns its exit code and what it printed."""

    def command(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return command


@pytest.fixture
def largest_file():
    """Return a context manager that limits the size of files that this process writes.

    So does a full disk, for all but the first. Python ignores the signal, so writing fails with an
    error.
    """
    resource = pytest.importorskip("resource", reason="needs the limits of POSIX")

    @contextmanager
    def limit(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
