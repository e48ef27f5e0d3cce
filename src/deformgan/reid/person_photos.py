"""Photos of people with identity and camera, without poses."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from deformgan.datasets.image_cache import THREADS, load_images
from deformgan.datasets.market_name import QUERY, TEST, MarketName
from deformgan.datasets.named_photos import PhotoName
from deformgan.datasets.nobody import NOBODY
from deformgan.datasets.splits import SPLIT_FILE, NoTestSplitError
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.metrics.ranking import first_of_each
from deformgan.photo_file import list_photos, photo_size
from deformgan.reid.layout import Layout


@dataclass(frozen=True)
class PersonPhotos:
    """Photos of people; images are read on demand.

    Attributes:
        names: File names.
        paths: Paths of the files.
        identities: Identity in each photo, as written.
        cameras: Camera of each photo, from 1.
        nobody: Identities that are not people: "-1" is junk, others are distractors.
    """

    names: list[str]
    paths: list[Path]
    identities: list[str]
    cameras: Int64[Tensor, "photos"]
    nobody: Collection[str] = NOBODY

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: Int64[Tensor, "_"]) -> "PersonPhotos":
        """Return the photos of some rows."""
        chosen = rows.tolist()
        return PersonPhotos(
            [self.names[row] for row in chosen],
            [self.paths[row] for row in chosen],
            [self.identities[row] for row in chosen],
            self.cameras[rows],
            self.nobody,
        )

    def images(self, size: tuple[int, int] | None = None) -> UInt8[Tensor, "photos 3 height width"]:
        """Read all photos as RGB, resized to a common size.

        Args:
            size: (height, width); defaults to that of the first photo.
        """
        size = size or photo_size(self.paths[0])
        return load_images(self.paths, size, stretch_all(self.paths, size))


def stretch_all(paths: Sequence[Path], size: tuple[int, int]) -> list[Framing] | None:
    """Return the framings that stretch photos to a size; None if all have it already."""
    with ThreadPoolExecutor(THREADS) as threads:
        sizes = list(threads.map(photo_size, paths))
    if all(found == size for found in sizes):
        return None
    return [Framing.stretched(found, size) for found in sizes]


def read_person_photos(
    folder: Path,
    nobody: Collection[str] = NOBODY,
    parse: Callable[[str], PhotoName] = MarketName.parse,
) -> PersonPhotos:
    """List the photos of a folder by name, including junk and distractors.

    Args:
        folder: Folder of photos; other file types are ignored.
        nobody: See `PersonPhotos`.
        parse: Parses a file name; by default one in Market-1501's style.
    """
    if not folder.is_dir():
        raise InputError(f"The folder of photos {folder} does not exist.")
    paths = sorted(list_photos(folder)[0])
    if not paths:
        raise InputError(f"{folder} has no photos.")
    fields = [parse(path.name) for path in paths]
    return PersonPhotos(
        [path.name for path in paths],
        paths,
        [field.identity for field in fields],
        torch.tensor([field.camera for field in fields]),
        nobody,
    )


def query_and_gallery(
    data: Path, nobody: Collection[str] | None = None
) -> tuple[PersonPhotos, PersonPhotos]:
    """Return the query and gallery photos of a data set.

    Args:
        data: Data set in Market-1501's layout or one of CUHK03's: with folders of queries and
            gallery (`query` and `bounding_box_test`), with torchreid's split, or with
            `identity-split.json`. In the last case the gallery is all photos of its test
            identities, and the first photo of each by each camera is a query (in the gallery it is
            junk for itself, being by the same camera).
        nobody: Identities that are not people; by default decided by the data, see `Layout.nobody`.

    Raises:
        NoTestSplitError: If the data set has no test set.
    """
    layout = Layout.find(data)
    nobody = layout.nobody("test", nobody)
    if layout.query is not None and layout.gallery is not None:
        query, gallery = (
            read_person_photos(folder, nobody, layout.parse)
            for folder in (layout.query, layout.gallery)
        )
        return query, gallery
    parts, listed = layout.people, layout.test_names
    if parts is None:
        raise NoTestSplitError(
            f"{data} has no test set: neither the folders {QUERY} and {TEST} nor an {SPLIT_FILE}."
        )
    photos = read_person_photos(layout.train, nobody, layout.parse)
    if listed is not None:
        return _named(photos, listed["query"], data), _named(photos, listed["gallery"], data)
    rows = [
        row
        for row, who in enumerate(photos.identities)
        if who in parts["test"] and who not in nobody
    ]
    if not rows:
        raise InputError(f"{data} has no photo of its test identities.")
    gallery = photos.take(torch.tensor(rows))
    numbers = {who: number for number, who in enumerate(sorted(set(gallery.identities)))}
    people = torch.tensor([numbers[who] for who in gallery.identities])
    first = first_of_each(people, gallery.cameras)
    return gallery.take(first.nonzero()[:, 0]), gallery


def join_people(one: PersonPhotos, other: PersonPhotos) -> PersonPhotos:
    """Return the photos of both lists, each file once, without those that show nobody."""
    fields = {
        path.resolve(): (name, path, who, camera)
        for photos in (one, other)
        for name, path, who, camera in zip(
            photos.names, photos.paths, photos.identities, photos.cameras.tolist(), strict=True
        )
        if who not in photos.nobody
    }
    if not fields:
        raise InputError("Neither queries nor gallery show anybody.")
    names, paths, people, cameras = map(list, zip(*fields.values(), strict=True))
    return PersonPhotos(names, paths, people, torch.tensor(cameras), one.nobody)


def _named(photos: PersonPhotos, names: Collection[str], data: Path) -> PersonPhotos:
    """Return the photos of some names, all of which must be there."""
    missing = sorted(set(names) - set(photos.names))
    if missing or not names:
        what = f"lacks {missing[0]}, which" if missing else "has no test photo that"
        raise InputError(f"{data} {what} its split lists.")
    rows = [row for row, name in enumerate(photos.names) if name in names]
    return photos.take(torch.tensor(rows))
