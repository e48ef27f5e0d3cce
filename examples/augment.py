"""Add generated photos to a person re-identification (Re-ID) data set.

python examples/augment.py [DATA OUT]

DATA is a data set in Market-1501's layout, OUT the new one: the photos of DATA and one generated
photo for each, in a random pose of the training people. Without arguments: the bundled people.
"""

import sys
from pathlib import Path

import deformgan
from deformgan.reid.augment import augment

data, out = sys.argv[1:] or (Path(deformgan.__file__).parent / "people", "runs/people-x2")

report = augment(Path(data), Path(out), per_image=1, policy="random", labels="same")
print(report)
