"""Entry point of `python -m deformgan` and `torchrun -m deformgan`."""

import sys

from deformgan.cli.main import main

sys.exit(main())
