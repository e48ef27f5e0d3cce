"""Fixtures of the whole suite: the shared material, and a machine that is not oversubscribed."""

import os
from pathlib import Path

# Before torch is imported, and inherited by every command that a test starts: with several threads
# per worker on a busy two-core machine, a step takes ten times as long as with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"


def shared_path(*parts: str) -> Path:
    """Finds shared material beside the checkout, or skips the test and says what it misses."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs ../shared/{'/'.join(parts)}, which is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of read-only material beside the checkout."""
    return shared_path()


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers computed by the authors' own code on synthetic inputs."""
    return shared_path("golden")


@pytest.fixture(scope="session")
def market1501() -> Path:
    """The part of Market-1501 that is at hand, in its official layout."""
    return shared_path("market1501")


@pytest.fixture(scope="session")
def outside_weights() -> Path:
    """Networks of other people: VGG-19's first layers, detectors, a Re-ID embedding."""
    return shared_path("weights")


@pytest.fixture(autouse=True)
def one_thread_and_a_fixed_seed():
    """Makes every test alone and in any order the same test."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
