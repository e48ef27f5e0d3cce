"""Comparison of this code with golden vectors computed by the authors' own code."""

from deformgan.verify.run import verify
from deformgan.verify.sheet import Row

__all__ = ["Row", "verify"]
