"""provenance: which code made a result, when and where."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

import deformgan


def provenance() -> dict[str, str]:
    """Tells version, commit (where the source is a git checkout), date and machine."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:  # no git here
        commit = ""
    return {
        "version": deformgan.__version__,
        "commit": commit or "unknown",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}",
    }
