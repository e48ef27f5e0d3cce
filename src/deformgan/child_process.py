"""Child processes that end with their parent. A child imports this first, so it imports little."""

import os
import signal
import threading
import time

_POLL = 0.5  # seconds


def start_worker(parent: int) -> None:
    """Initialize a worker of one thread, which ends when its parent does.

    Args:
        parent: Number of the process that started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    import torch  # takes seconds, in which the parent may be killed

    torch.set_num_threads(1)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(_POLL)
    os._exit(1)
