"""Workers end with the process that started them, whatever ends that."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

PROGRAM = """
import os, signal, time
from deformgan.cli.main import _ended_by_terminate
from deformgan.rendering.workers import worker_pool

if __name__ == "__main__":
    with _ended_by_terminate(), worker_pool(2) as pool:
        print(*{pool.submit(os.getpid).result() for _ in range(4)}, flush=True)
        waiting = [pool.submit(time.sleep, 300) for _ in range(2)]
        waiting[0].result()
"""


def _runs(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, ending):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, str(program)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert workers
        parent.send_signal(ending)
        parent.wait(timeout=60)
    for _ in range(600):
        if not any(map(_runs, workers)):
            break
        time.sleep(0.1)
    assert not any(map(_runs, workers))
