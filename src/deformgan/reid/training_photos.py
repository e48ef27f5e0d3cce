"""Training photos of a Re-ID network, real and generated."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from deformgan.datasets.splits import Split
from deformgan.errors import InputError
from deformgan.reid.layout import Layout
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.person_photos import PersonPhotos, read_person_photos


@dataclass(frozen=True)
class TrainingPhotos:
    """Labelled training photos, in memory.

    Attributes:
        names: File names.
        images: RGB.
        classes: Identity of each photo, numbered from 0 in the order of the identities' names.
        cameras: Camera of each photo, from 1.
        generated: Whether each photo is generated.
        soft: Whether each photo's label is uniform over all classes (LSRO).
    """

    names: list[str]
    images: UInt8[Tensor, "photos 3 height width"]
    classes: Int64[Tensor, "photos"]
    cameras: Int64[Tensor, "photos"]
    generated: Bool[Tensor, "photos"]
    soft: Bool[Tensor, "photos"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_classes(self) -> int:
        """Number of identities."""
        return int(self.classes.max()) + 1

    def take(self, rows: Int64[Tensor, "_"]) -> "TrainingPhotos":
        """Return the photos of some rows; identities keep their numbers."""
        return TrainingPhotos(
            [self.names[row] for row in rows.tolist()],
            self.images[rows],
            self.classes[rows],
            self.cameras[rows],
            self.generated[rows],
            self.soft[rows],
        )


def read_training_photos(
    folder: Path,
    split: Split = "train",
    size: tuple[int, int] | None = None,
    nobody: Collection[str] | None = None,
) -> TrainingPhotos:
    """Read the training photos of a data set of a known `Layout`; poses are not needed.

    In a data set that `reid augment` wrote, the manifest defines which photos are generated and
    which labels are soft; in any other, all photos count as real.

    Args:
        folder: Folder with `bounding_box_train`, or of photos; or one of CUHK03's layouts.
            `identity-split.json` (or torchreid's) defines the split.
        split: "train" excludes the test identities of that file.
        size: (height, width) to resize photos to; defaults to that of the first photo.
        nobody: Identities that are not people; by default decided by the data, see `Layout.nobody`.
    """
    people = training_people(folder, split, nobody)
    manifest = folder / MANIFEST
    known = {photo.name: photo for photo in read_manifest(manifest)} if manifest.is_file() else {}
    listed = [known.get(name) for name in people.names]
    numbers = {who: number for number, who in enumerate(sorted(set(people.identities)))}
    return TrainingPhotos(
        names=people.names,
        images=people.images(size),
        classes=torch.tensor([numbers[who] for who in people.identities]),
        cameras=people.cameras,
        generated=torch.tensor([photo is not None for photo in listed]),
        soft=torch.tensor([photo is not None and photo.label == "soft" for photo in listed]),
    )


def training_people(
    folder: Path, split: Split = "train", nobody: Collection[str] | None = None
) -> PersonPhotos:
    """List the training photos without reading them; see `read_training_photos`."""
    if not folder.is_dir():
        raise InputError(f"The data set folder {folder} does not exist.")
    layout = Layout.find(folder)
    nobody = layout.nobody("train", nobody)
    photos = read_person_photos(layout.train, nobody, layout.parse)
    parts = None if split == "all" else layout.people
    rows = [
        row
        for row, who in enumerate(photos.identities)
        if who not in nobody and (parts is None or who in parts[split])
    ]
    if not rows:
        raise InputError(f"{layout.train} has no training photos.")
    return photos.take(torch.tensor(rows))
