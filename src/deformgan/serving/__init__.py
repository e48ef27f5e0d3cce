"""Local web servers: address and origin checks, headers, limits, and one function that runs them.

Used by `deformgan study serve` and `deformgan studio`; docs/serving.md states what is guarded.
"""
