"""The rendered people and the walk cycle that ship with the package."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import PhotoSet
from deformgan.files import bundled
from deformgan.framing import Framing
from deformgan.photo_file import read_photo
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv

FOLDER = bundled("people")  # a data set in the layout of Market-1501
LARGE = "large"  # folder in it: the first photos of some people again, of `LARGE_SIZE`
LARGE_SIZE = (512, 256)
VIEWS = 4  # per person: front, side, back, random

# The subset of the 75 people shown in the demo: sharp images of diverse people and clothes.
SHOWN = (4, 8, 13, 17, 19, 27, 43, 45, 49, 56, 60, 67)


@dataclass(frozen=True)
class Photo:
    """A photo and the pose of the person in it.

    Attributes:
        path: Path of the file.
        photo: RGB.
        pose: One pose, in pixels of `photo`.
    """

    path: Path
    photo: UInt8[np.ndarray, "height width 3"]
    pose: Pose


def bundled_people() -> list[list[Photo]]:
    """Load the photos of a dozen rendered people; no real person is shown."""
    table = read_annotation_csv(FOLDER / "annotation.csv")
    people: dict[int, list[Photo]] = {number: [] for number in SHOWN}
    for name in table.names:
        person = int(name.partition("_")[0])
        if person in people:
            path = FOLDER / "bounding_box_train" / name
            people[person].append(Photo(path, read_photo(path), table[name]))
    return list(people.values())


def bundled_large_photos() -> list[Photo]:
    """Load the first photo of each person of `bundled_people` at the size of a user's own photo.

    It shows the same scene, at 512x256, so its pose is that of the small photo, enlarged.
    """
    photos = []
    for first, *_ in bundled_people():
        path = FOLDER / LARGE / f"{first.path.name.partition('_')[0]}.webp"
        photo = read_photo(path)
        enlarged = Framing.stretched(first.photo.shape[:2], photo.shape[:2])
        photos.append(Photo(path, photo, enlarged.frame_pose(first.pose)))
    return photos


def bundled_photo_set(repeats: int = 1, cache: Path | None = None) -> PhotoSet:
    """Load all bundled people as a data set.

    Args:
        repeats: How often to repeat each photo, for benchmarks that need more of them.
        cache: See `PhotoSet`.
    """
    once = Market1501(FOLDER)
    return PhotoSet(
        names=once.names * repeats,
        identities=once.identities * repeats,
        cameras=torch.cat([once.cameras] * repeats),
        paths=once.paths * repeats,
        poses=Pose.cat([once.poses] * repeats),
        size=once.size,
        framings=None if once.framings is None else list(once.framings) * repeats,
        cache=cache,
    )


def bundled_walk() -> Pose:
    """Load the poses of a walk cycle, in pixels of a 128x64 image."""
    return read_annotation_csv(FOLDER / "walk.csv").pose
