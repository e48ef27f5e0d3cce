"""Golden vectors: our code against numbers that the authors' own code computed."""

from deformgan.verify.run import verify
from deformgan.verify.sheet import Row

__all__ = ["Row", "verify"]
