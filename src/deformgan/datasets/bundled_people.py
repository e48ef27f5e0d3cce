"""The rendered people and the movement that come with the package."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from deformgan.datasets.photo_set import PhotoSet, fit_photos
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import read_annotation_csv

FOLDER = Path(__file__).parents[1] / "people"


@dataclass(frozen=True)
class Photo:
    """A photo and the pose of the person in it.

    Attributes:
        photo: RGB.
        pose: One pose, in pixels of `photo`.
    """

    photo: UInt8[np.ndarray, "height width 3"]
    pose: Pose


def bundled_people() -> list[list[Photo]]:
    """Reads the people: one list of photos for each, all of our own rendering (nobody's photos)."""
    people: dict[str, list[Photo]] = {}
    table = read_annotation_csv(FOLDER / "annotation.csv")
    for name in sorted(table.names):
        person = name.rpartition("_")[0]  # person_NN_K.jpg
        with Image.open(FOLDER / name) as image:
            photo = np.array(image.convert("RGB"))
        people.setdefault(person, []).append(Photo(photo, table[name]))
    return list(people.values())


def bundled_photo_set(repeats: int = 1, cache: Path | None = None) -> PhotoSet:
    """Gives the people as a data set.

    Args:
        repeats: How often each photo is in it; for measurements, which want more than there are.
        cache: See `PhotoSet`.
    """
    table = read_annotation_csv(FOLDER / "annotation.csv")
    names = sorted(table.names)
    poses = Pose.cat([table.select(names).pose] * repeats)
    paths = [FOLDER / name for name in names] * repeats
    size, framings, poses = fit_photos(paths, poses, None, "exact")
    return PhotoSet(
        names=names * repeats,
        identities=[name.rpartition("_")[0] for name in names] * repeats,
        cameras=torch.zeros(len(paths), dtype=torch.int64),
        paths=paths,
        poses=poses,
        size=size,
        framings=framings,
        cache=cache,
    )


def bundled_walk() -> Pose:
    """Reads the frames of somebody walking, in the frame of a 128x64 photo."""
    return read_annotation_csv(FOLDER / "walk.csv").pose
