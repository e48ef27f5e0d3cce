"""Evaluate generated pictures of test pairs.

python examples/evaluate.py [IMAGES PAIRS.csv [GENERATED]]

IMAGES is the folder of the photos, PAIRS a table with the columns from and to, GENERATED a folder
of anybody's pictures (<from>__<to>.png); without it the bundled weights generate them. Without
arguments: two pairs of bundled people.
"""

import sys
from pathlib import Path

import deformgan

images = Path(deformgan.__file__).parent / "people" / "bounding_box_train"
pairs = Path(__file__).with_name("pairs.csv")
images, pairs, *folder = sys.argv[1:] or (images, pairs)
generated, weights = (folder[0], None) if folder else (None, "pedestrian")
report = deformgan.evaluate(
    images, pairs, generated=generated, weights=weights, metrics=("ssim", "pckh_pose18")
)
print(report.table())
