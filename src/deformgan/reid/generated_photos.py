"""GeneratedPhotos: pictures that a generator left in a folder, found by the photos they are of.

A folder that `deformgan reid augment` wrote is read by its manifest. In any other, a picture's name
tells the photo that it was made of: `STEMgNUMBER.jpg` (or .png), as the paper's authors named them,
or one of the forms that `GeneratedFolder` knows, such as `FROM__TO.png`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from deformgan.datasets.market1501 import TRAIN
from deformgan.datasets.photo_set import photo_size
from deformgan.errors import InputError
from deformgan.evaluation.generated_folder import EXTENSIONS, FORMS, GeneratedFolder
from deformgan.framing import Framing
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.person_photos import PersonPhotos
from deformgan.reid.training_photos import TrainingPhotos

_NUMBERED = re.compile(r"(.+)g(\d+)")


@dataclass(frozen=True)
class _Picture:
    """A file, and what a trainer has to know of it.

    Attributes:
        path: The file.
        number: Which picture of its photo it is.
        identity: Whom it is filed under, where that is nobody in a real photo.
        soft: Whether its label is spread over all people.
        pair: (source, target) photos where the file may hold several pictures side by side.
    """

    path: Path
    number: int
    identity: str | None = None
    soft: bool = False
    pair: tuple[str, str] | None = None


@dataclass
class GeneratedPhotos:
    """An `Augmenter` of pictures made before.

    Attributes:
        folder: Where they are.
        by_source: A photo's pictures, the first ones first.
        strays: Names of pictures that are of no training photo.
    """

    folder: Path
    by_source: dict[str, list[_Picture]]
    strays: list[str]
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def open(folder: Path, photos: PersonPhotos) -> "GeneratedPhotos":
        """Finds the pictures, without reading one.

        Args:
            folder: Where they are.
            photos: All real photos of the people to learn from.
        """
        if not folder.is_dir():
            raise InputError(f"The folder of generated photos {folder} does not exist.")
        known = dict(zip(photos.names, photos.identities, strict=True))
        if (folder / MANIFEST).is_file():
            by_source, strays = _listed(folder, known)
        else:
            by_source, strays = _named(folder, known)
        if not by_source:
            raise InputError(
                f"{folder} has no picture of a training photo: it has neither {MANIFEST} nor files "
                f"named like {Path(photos.names[0]).stem}g1.jpg or FROM__TO.png."
            )
        for pictures in by_source.values():
            pictures.sort(key=lambda picture: (picture.number, picture.path.name))
        paths = dict(zip(photos.names, photos.paths, strict=True))
        targets = {p.pair[1] for pictures in by_source.values() for p in pictures if p.pair}
        sizes = {name: photo_size(paths[name]) for name in targets}
        return GeneratedPhotos(folder, by_source, strays, sizes)

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`; files by names and lengths."""
        digest = hashlib.sha256()
        pictures = sorted(p.path for of_one in self.by_source.values() for p in of_one)
        for path in pictures:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        return {
            "folder": self.folder.resolve().name,
            "pictures": len(pictures),
            "files_sha256": digest.hexdigest(),
        }

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`; the pictures are the same for any seed, the first of every photo."""
        chosen = [
            (row, picture)
            for row, name in enumerate(kept.names)
            for picture in self.by_source.get(name, [])[:count]
        ]
        rows = torch.tensor([row for row, _ in chosen], dtype=torch.int64)
        pictures = [picture for _, picture in chosen]
        # Who is new comes after all real people, in the order of their names.
        new = sorted({picture.identity for picture in pictures if picture.identity is not None})
        numbers = {who: int(kept.num_classes) + place for place, who in enumerate(new)}
        classes = kept.classes[rows].clone()
        for place, picture in enumerate(pictures):
            if picture.identity is not None:
                classes[place] = numbers[picture.identity]
        return TrainingPhotos(
            names=[picture.path.name for picture in pictures],
            images=self._images(pictures, (kept.images.shape[2], kept.images.shape[3])),
            classes=classes,
            cameras=kept.cameras[rows],
            generated=torch.ones(len(rows), dtype=torch.bool),
            soft=torch.tensor([picture.soft for picture in pictures], dtype=torch.bool),
        )

    def _images(
        self, pictures: list[_Picture], size: tuple[int, int]
    ) -> UInt8[Tensor, "pictures 3 height width"]:
        images = torch.empty(len(pictures), 3, *size, dtype=torch.uint8)
        alone = [place for place, picture in enumerate(pictures) if picture.pair is None]
        if alone:
            paths = [pictures[place].path for place in alone]
            images[alone] = _photos(paths).images(size)
        paired = [place for place, picture in enumerate(pictures) if picture.pair is not None]
        if paired:
            pairs = [pictures[place].pair for place in paired]
            folder = GeneratedFolder(self.folder, [p for p in pairs if p], lossless=False)
            for row, place in enumerate(paired):
                photo = self._sizes[folder.pairs[row][1]]
                reading = folder.read(row, photo)
                if reading.picture is None:
                    raise InputError(f"In {self.folder}: {' '.join(reading.problems)}")
                framed = Framing.stretched(photo, size).frame_photo(
                    reading.picture.permute(1, 2, 0).numpy()
                )
                images[place] = torch.from_numpy(framed).permute(2, 0, 1)
        return images


def _photos(paths: list[Path]) -> PersonPhotos:
    """Lets files be read as photos are, whoever is in them."""
    nobody = torch.zeros(len(paths), dtype=torch.int64)
    return PersonPhotos([path.name for path in paths], paths, [""] * len(paths), nobody)


def _listed(folder: Path, known: Mapping[str, str]) -> tuple[dict[str, list[_Picture]], list[str]]:
    """Reads a manifest of `reid augment`."""
    by_source: dict[str, list[_Picture]] = {}
    strays = []
    for photo in read_manifest(folder / MANIFEST):
        places = (folder / TRAIN / photo.name, folder / photo.name)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise InputError(
                f"{folder / MANIFEST} names {photo.name}, which is neither in {folder / TRAIN} nor "
                f"in {folder}; write the set with --format market1501."
            )
        if photo.source not in known:
            strays.append(photo.name)
            continue
        identity = photo.identity if photo.label == "new" else None
        picture = _Picture(path, photo.number, identity, photo.label == "soft")
        by_source.setdefault(photo.source, []).append(picture)
    return by_source, strays


def _named(folder: Path, known: Mapping[str, str]) -> tuple[dict[str, list[_Picture]], list[str]]:
    """Reads the names of files; the real photos themselves may lie among them."""
    inside = folder / TRAIN if (folder / TRAIN).is_dir() else folder
    stems = {Path(name).stem: name for name in known}
    by_source: dict[str, list[_Picture]] = {}
    strays = []
    for path in sorted(inside.iterdir()):
        if path.suffix.lower() not in EXTENSIONS or path.name in known:
            continue
        numbered = _NUMBERED.fullmatch(path.stem)
        if numbered is not None and numbered[1] in stems:
            picture = _Picture(path, int(numbered[2]))
            by_source.setdefault(stems[numbered[1]], []).append(picture)
        elif (pair := _pair(path.stem, stems)) is not None:
            of_one = by_source.setdefault(pair[0], [])
            # Our own form holds one picture, of any size; the others may hold several.
            alone = path.stem == FORMS[0](Path(pair[0]), Path(pair[1]))
            of_one.append(_Picture(path, len(of_one) + 1, pair=None if alone else pair))
        else:
            strays.append(path.name)
    return by_source, strays


def _pair(stem: str, stems: Mapping[str, str]) -> tuple[str, str] | None:
    """Finds the photos that a picture of a pair is named by."""
    for cut in (place for place, letter in enumerate(stem) if letter == "_"):
        source = stems.get(Path(stem[:cut]).stem)
        rest = stem[cut:].removesuffix("_vis").lstrip("_").removeprefix("2_")
        target = stems.get(Path(rest).stem)
        if source is None or target is None:
            continue
        if any(form(Path(source), Path(target)) == stem for form in FORMS):
            return source, target
    return None
