"""Comparison of this code with golden vectors computed by the authors' own code."""

from deformgan.verify.checks import Row
from deformgan.verify.run import verify

__all__ = ["Row", "verify"]
