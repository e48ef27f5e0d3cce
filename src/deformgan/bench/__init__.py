"""Speed and memory: of the method's operations, of networks, training and whole runs.

Ratios compare two functions that alternate within one run. Unlike absolute times, they are
meaningful on a slow, busy or throttled machine.
"""

from deformgan.bench.run import run_bench

__all__ = ["run_bench"]
