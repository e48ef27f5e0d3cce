"""PhotoSet: photos of people with their poses, the base class of all data sets."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Literal

from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from deformgan.datasets.backgrounds import fill_people
from deformgan.datasets.image_cache import THREADS, load_images
from deformgan.datasets.pairs import ordered_pairs
from deformgan.framing import Framing, find_framing
from deformgan.photo_file import photo_size
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

# How to resize a photo to the image size: "exact", not at all, it must have that size; "stretch",
# ignoring its aspect ratio; "pad", keeping its aspect ratio and replicating its edges; "person",
# cropping to the person as `find_framing` does (photos of that size are used whole, those without a
# usable pose are padded).
Fit = Literal["exact", "stretch", "pad", "person"]

_ORIENTATION = 0x0112  # EXIF tag; from 5 on, the photo is rotated by 90 degrees


class PhotoSet:
    """Photos of people, decoded once at first use and kept in memory or in a mapped file.

    Readers are subclasses, constructed from `(root, split, annotations, *, size, fit, cache,
    skeleton)`: they find a folder's files and poses and resize photos to one size; their
    `matches(root)` detects whether a folder looks like theirs. `PairBatches` needs only `images`,
    `poses` and `pairs`.

    Attributes:
        names: Image names in the data set, in the order of its annotation table.
        identities: Person in each image.
        cameras: Camera (or view) of each image, from 1; 0 if unknown.
        paths: Image files.
        poses: In pixels of `images`.
        size: (height, width) of every image.
        skeleton: Skeleton of the poses.
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        identities: Sequence[str],
        cameras: Int64[Tensor, "images"],
        paths: Sequence[Path],
        poses: Pose,
        size: tuple[int, int],
        framings: Sequence[Framing] | None = None,
        cache: str | Path | None = None,
        skeleton: Skeleton = OPENPOSE18,
    ):
        """Store the photos found by a reader.

        Args:
            names: See the attributes.
            identities: One per name.
            cameras: One per name.
            paths: One per name.
            poses: One per name.
            size: Size of the images, whatever that of the photos.
            framings: Part of each photo to show; None if all photos have that size.
            cache: Folder for a file of decoded images, see `load_images`; None to use memory.
            skeleton: Skeleton of the poses.
        """
        self.names = list(names)
        self.identities = list(identities)
        self.cameras = cameras
        self.paths = list(paths)
        self.poses = poses
        self.size = size
        self.framings = framings
        self.skeleton = skeleton
        self.cache = None if cache is None else Path(cache)

    def __len__(self) -> int:
        return len(self.names)

    def of_people(self, people: Collection[str]) -> "PhotoSet":
        """Return the photos of some people as a new data set, in the same order.

        Extra data of a reader (masks, backgrounds) is not carried over.
        """
        rows = [row for row, who in enumerate(self.identities) if who in people]
        return PhotoSet(
            names=[self.names[row] for row in rows],
            identities=[self.identities[row] for row in rows],
            cameras=self.cameras[rows],
            paths=[self.paths[row] for row in rows],
            poses=self.poses[rows],
            size=self.size,
            framings=None if self.framings is None else [self.framings[row] for row in rows],
            cache=self.cache,
            skeleton=self.skeleton,
        )

    @cached_property
    def images(self) -> UInt8[Tensor, "images 3 height width"]:
        """All images, RGB."""
        return load_images(self.paths, self.size, self.framings, self.cache)

    def read(self, rows: Sequence[int]) -> UInt8[Tensor, "rows 3 height width"]:
        """Decode some of the images, RGB; keeps nothing."""
        framings = None if self.framings is None else [self.framings[row] for row in rows]
        return load_images([self.paths[row] for row in rows], self.size, framings)

    @cached_property
    def backgrounds(self) -> UInt8[Tensor, "images 3 height width"] | None:
        """Backgrounds, RGB: the images with their people removed and the holes filled."""
        return fill_people(self.images, self.poses, self.skeleton)

    @cached_property
    def usable(self) -> Bool[Tensor, "images"]:
        """Whether every mandatory joint is visible; for people, both hips and both shoulders."""
        return self.poses.usable(self.skeleton)

    @cached_property
    def pairs(self) -> Int64[Tensor, "pairs 2"]:
        """All ordered pairs of distinct usable images of one person."""
        return ordered_pairs(self.identities, self.usable)


def fit_photos(
    paths: Sequence[Path],
    poses: Pose,
    size: tuple[int, int] | None,
    fit: Fit,
    skeleton: Skeleton = OPENPOSE18,
) -> tuple[tuple[int, int], list[Framing] | None, Pose]:
    """Choose the part of each photo to show, without decoding any.

    Args:
        paths: The photos, at least one.
        poses: One per photo, in its pixels.
        size: (height, width) of the images; None for that of the first photo.
        fit: How to resize photos to that size.
        skeleton: Skeleton of the poses.

    Returns:
        The size; the framings, or None if none is needed; and the poses in pixels of the images.
    """
    if fit == "exact":
        return size or photo_size(paths[0]), None, poses
    with ThreadPoolExecutor(THREADS) as threads:
        photo_sizes = list(threads.map(photo_size, paths))
    size = size or photo_sizes[0]
    if all(found == size for found in photo_sizes):
        return size, None, poses
    framings = [
        frame_one(photo, poses[[row]], size, fit, skeleton) for row, photo in enumerate(photo_sizes)
    ]
    framed = [framing.frame_pose(poses[[row]]) for row, framing in enumerate(framings)]
    return size, framings, Pose.cat(framed)


def frame_one(
    photo: tuple[int, int],
    pose: Pose,
    size: tuple[int, int],
    fit: Fit,
    skeleton: Skeleton = OPENPOSE18,
) -> Framing:
    """Choose the part of one photo to show.

    Args:
        photo: Its (height, width).
        pose: One pose, in its pixels.
        size: (height, width) of the image.
        fit: How to resize the photo to that size.
        skeleton: Skeleton of the pose.
    """
    if fit == "stretch":
        return Framing.stretched(photo, size)
    if fit == "person" and pose.usable(skeleton).all():
        return find_framing(pose, photo, size, skeleton)
    return Framing.padded(photo, size)
