"""What both the server and a static site ship: the page's files and the example."""

import json
from functools import cache
from pathlib import Path

import torch

from deformgan import __version__
from deformgan.datasets.bundled_people import Photo
from deformgan.files import bundled
from deformgan.photo_file import read_photo
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.studio.protocol import MOST_BYTES
from deformgan.studio.uploads import MOST_PIXELS

PAGE = bundled("studio/page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def page_file(name: str) -> Path | None:
    """Return a file of the page; None if there is no such one."""
    path = PAGE / name
    # Only names in the folder itself, so that no path leads out of it.
    return path if path.suffix in KINDS and path.name == name and path.is_file() else None


@cache
def example_photo() -> Photo:
    """Return the photo of the person that the page begins with.

    Rendered (`data synthesize --seed 91 --size 640x320`, person 3), at a size at which the picture
    is as sharp as a user's own photo.
    """
    known = json.loads((PAGE / "example.json").read_text(encoding="utf-8"))
    pose = Pose(torch.tensor([known["joints"]]), torch.tensor([known["visible"]]))
    path = PAGE / "example.jpg"
    return Photo(path, read_photo(path), pose)


def about_page() -> dict:
    """Return what the page must know, whichever engine it has."""
    example = example_photo()
    return {
        "version": __version__,
        "joints": list(OPENPOSE18.joints),
        "limbs": [[OPENPOSE18.index(joint) for joint in limb] for limb in OPENPOSE18.limbs],
        "mirrored": [[OPENPOSE18.index(joint) for joint in pair] for pair in OPENPOSE18.mirrored],
        "mandatory": OPENPOSE18.mandatory_joints,
        "most_bytes": MOST_BYTES,
        "most_pixels": MOST_PIXELS,
        "example": {
            "size": list(example.photo.shape[:2]),
            "joints": example.pose.joints[0].tolist(),
            "visible": example.pose.visible[0].tolist(),
        },
    }
