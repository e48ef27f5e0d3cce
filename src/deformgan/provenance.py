"""provenance: the code version, date and machine that produced a result."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

import deformgan


def provenance() -> dict[str, str]:
    """Return version, commit (if the source is a git checkout), date and machine."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:  # git is not installed
        commit = ""
    return {
        "version": deformgan.__version__,
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}",
    }
