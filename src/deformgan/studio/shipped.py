"""What both the server and a static site ship: the page's files and the example."""

from functools import cache
from pathlib import Path

from deformgan import __version__
from deformgan.datasets.bundled_people import Photo, bundled_people
from deformgan.files import bundled
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.studio.protocol import MOST_BYTES
from deformgan.studio.uploads import MOST_PIXELS

PAGE = bundled("studio/page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_EXAMPLE = 9  # of the bundled people: seen from the front, arms beside the body


def page_file(name: str) -> Path | None:
    """Return a file of the page; None if there is no such one."""
    path = PAGE / name
    # Only names in the folder itself, so that no path leads out of it.
    return path if path.suffix in KINDS and path.name == name and path.is_file() else None


@cache
def example_photo() -> Photo:
    """Return the photo of the person that the page begins with."""
    return bundled_people()[_EXAMPLE][0]


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
