"""worker_pool: processes that render, and end with the process that started them."""

import multiprocessing
import os
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from deformgan.child_process import start_worker

# One thread: the division of a matrix product among threads affects its rounding.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def worker_pool(workers: int) -> Generator[ProcessPoolExecutor]:
    """Start processes; on an error or interruption they are killed, so that it takes no time.

    Whoever is being rendered then is left out, and rendered by the next run.
    """
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    # Spawn, don't fork, because this process may have threads; workers start with one.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, start_worker, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        for worker in list((pool._processes or {}).values()):
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
