"""Animate the person in a photo with the motion of somebody else.

python examples/animate.py [PHOTO MOTION OUT.gif]

MOTION is a video (needs the extra `video`), a folder of photos or pose files, or a pose file with
one pose per frame. Without arguments: a bundled person and the bundled walk.
"""

import sys
from pathlib import Path

import deformgan

people = Path(deformgan.__file__).parent / "people"
example = people / "bounding_box_train/0001_c1s1_000001_00.jpg", people / "walk.csv", "walk.gif"
photo, motion, out = sys.argv[1:] or example

first, *rest = deformgan.PoseTransfer.from_pretrained("pedestrian").animate(photo, motion)
first.save(out, save_all=True, append_images=rest, duration=80, loop=0)
