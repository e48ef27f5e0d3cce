"""Generate a photo of a person in a new pose.

python examples/generate.py [PHOTO POSE OUT.png]

PHOTO shows the person; POSE is a photo of anybody in the new pose, or a pose file. Without
arguments: two of the bundled people.
"""

import sys
from pathlib import Path

import deformgan

people = Path(deformgan.__file__).parent / "people" / "bounding_box_train"
example = people / "0001_c1s1_000001_00.jpg", people / "0002_c2s1_000002_00.jpg", "generated.png"
photo, pose, out = sys.argv[1:] or example

transfer = deformgan.PoseTransfer.from_pretrained("pedestrian")
transfer(photo, pose).save(out)
