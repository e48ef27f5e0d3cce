"""Evaluate generated pictures of test pairs.

python examples/evaluate.py [IMAGES PAIRS.csv [GENERATED]]

IMAGES is the folder of the photos, PAIRS a table with the columns from and to, GENERATED a folder
of anybody's pictures (<from>__<to>.png); without it the bundled weights generate them. Without
arguments: two pairs of bundled people.
"""

import sys
from pathlib import Path

import deformgan

people = Path(deformgan.__file__).parent / "people" / "bounding_box_train"
images, pairs = sys.argv[1:3] or (people, Path(__file__).with_name("pairs.csv"))
generated = sys.argv[3] if len(sys.argv) > 3 else None
weights = None if generated else "pedestrian"

metrics = ("ssim", "mask_ssim", "pckh_pose18")  # by default all
report = deformgan.evaluate(images, pairs, generated=generated, weights=weights, metrics=metrics)
print(report.table())
