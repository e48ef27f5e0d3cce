"""Generate every person of a folder of photos in one pose.

python examples/folder.py FOLDER POSE OUT

Photos without a usable person are listed and left out.
"""

import sys
from pathlib import Path

import deformgan

folder, pose, out = map(Path, sys.argv[1:])
transfer = deformgan.PoseTransfer.from_pretrained("pedestrian")
target = transfer.read_pose(pose)  # detected once
out.mkdir(exist_ok=True)
for photo in sorted(folder.glob("*.jpg")):
    try:
        transfer(photo, target).save(out / f"{photo.stem}.png")
    except deformgan.InputError as error:
        print(photo.name, error)
