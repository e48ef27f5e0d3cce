"""A run of several processes is the run of one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deformgan.training.checkpoints import checkpoints

pytestmark = pytest.mark.slow  # ten starts of Python and torch

SCRIPT = Path(__file__).with_name("small_run.py")
STEPS = "4"


def start(out: Path, processes: int, kind: str) -> Path:
    """Train in a folder, by torchrun where there are several processes."""
    out.mkdir(exist_ok=True)
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(out), STEPS, kind],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        # How far rounding goes depends on the kernels, and so on the processor.
        env=os.environ | {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module", params=["plain", "layered"])
def kind(request):
    """A plain generator on photos of one size, or a layered one on photos of two."""
    return request.param


@pytest.fixture(scope="module")
def runs(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return start(folder / "one", 1, kind), start(folder / "two", 2, kind)


def weights(out: Path) -> dict[str, torch.Tensor]:
    state = torch.load(checkpoints(out)[-1], weights_only=True)
    names = ("generator", "discriminator", "average")
    return {f"{name}.{key}": value for name in names for key, value in state[name].items()}


def test_two_processes_of_four_pairs_equal_one_of_eight(runs):
    # Dropout, mirroring, clipping, two data sets and weighted losses included. Sums over a batch
    # are taken in another order: equal but for rounding, which Adam's first steps enlarge where a
    # gradient is nearly 0.
    one, two = map(weights, runs)
    assert one.keys() == two.keys()
    for name, value in one.items():
        if value.is_floating_point():
            apart = (value - two[name]).abs()
            assert apart.median() < 1e-6, name
            assert apart.max() < 2e-3, name


def test_two_processes_write_the_records_of_one(runs):
    one, two = (
        [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in runs
    )
    assert [record["step"] for record in two] == [record["step"] for record in one] == [2, 4]
    for record, other in zip(one, two, strict=True):
        assert record.keys() == other.keys()
        for name in record.keys() - {"samples_per_second"}:
            assert record[name] == pytest.approx(other[name], rel=1e-4), name


def test_two_processes_resume_what_one_began(runs, kind, tmp_path):
    one, _ = runs
    shutil.copytree(one, tmp_path / "moved")
    (tmp_path / "moved" / "checkpoints" / "0000004.pt").unlink()
    again = weights(start(tmp_path / "moved", 2, kind))
    for name, value in weights(one).items():
        if value.is_floating_point():
            assert (value - again[name]).abs().max() < 2e-3, name
