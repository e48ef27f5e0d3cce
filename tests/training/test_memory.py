"""How much memory a process takes, and how much there is."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deformgan.training.memory import memory_in_use, memory_limit

CPU = torch.device("cpu")
ALLOCATION = """
import torch
from deformgan.training.memory import memory_in_use
before = memory_in_use(torch.device("cpu"))
kept = torch.ones(50_000_000)
print(before, memory_in_use(torch.device("cpu")))
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="elsewhere a process begins with the peak of the one that started it",
)
def test_the_peak_is_this_process_own_and_shows_a_large_allocation():
    large = torch.ones(250_000_000)  # 1 GB, of the process that starts the other
    assert memory_in_use(CPU) > 1e9
    del large
    told = subprocess.check_output([sys.executable, "-c", ALLOCATION], text=True)
    before, after = map(int, told.split())
    assert 10**7 < before < 8e8
    assert after - before == pytest.approx(2e8, rel=0.1)


def test_the_peak_stays_when_memory_is_given_back():
    kept = torch.ones(100_000_000)
    peak = memory_in_use(CPU)
    assert peak > kept.nbytes
    del kept
    # Linux counts in each thread and adds up now and then: to some hundred pages.
    assert memory_in_use(CPU) == pytest.approx(peak, abs=2**21)


def test_the_limit_is_the_machine_s_memory():
    limit = memory_limit(CPU)
    assert memory_in_use(CPU) < limit < 10**14
    told = Path("/proc/meminfo")
    if not told.exists():
        pytest.skip("no /proc/meminfo on this system")
    (total,) = [line for line in told.read_text().splitlines() if line.startswith("MemTotal")]
    assert limit == pytest.approx(int(total.split()[1]) * 1024, rel=0.01)


def test_without_linux_the_peak_is_the_resource_module_s(monkeypatch, tmp_path):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr("deformgan.training.memory._STATUS", tmp_path / "missing")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory_in_use(CPU) == pytest.approx(peak, rel=0.01)  # bytes there
    monkeypatch.setattr(sys, "platform", "freebsd")
    assert memory_in_use(CPU) == pytest.approx(peak * 1024, rel=0.01)


def test_a_system_that_does_not_tell_gives_0(monkeypatch, tmp_path):
    monkeypatch.setattr("deformgan.training.memory._STATUS", tmp_path / "missing")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory_in_use(CPU) == 0
    monkeypatch.delattr("os.sysconf")
    assert memory_limit(CPU) == 0
