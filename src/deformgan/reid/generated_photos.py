"""GeneratedPhotos: existing generated images in a folder, indexed by their source photos.

A folder written by `deformgan reid augment` is read by its manifest. In any other folder, the file
name identifies the source: `STEMgNUMBER.jpg` (or .png) as in the paper's code, or one of the forms
that `GeneratedFolder` supports, such as `FROM__TO.png`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from deformgan.datasets.cuhk03 import market_name
from deformgan.datasets.market_name import TRAIN
from deformgan.errors import InputError
from deformgan.evaluation.generated_folder import EXTENSIONS, FORMS, GeneratedFolder
from deformgan.files import read_back
from deformgan.framing import Framing
from deformgan.photo_file import photo_size, shown
from deformgan.reid.manifest import MANIFEST, read_manifest
from deformgan.reid.person_photos import PersonPhotos
from deformgan.reid.training_photos import TrainingPhotos
from deformgan.reid.writers.writer import SETTINGS

_STATED = ("weights", "weights_sha256", "policy", "labels", "per_image", "seed")
_NUMBERED = re.compile(r"(.+)g(\d+)")


@dataclass(frozen=True)
class _Picture:
    """A file, and how to use it for training.

    Attributes:
        path: Path of the file.
        number: Number of the image among those of its source.
        identity: Label, if it is an identity without real photos.
        soft: Whether the label is uniform over all identities.
        pair: (source, target) names, if the file may show several images side by side.
    """

    path: Path
    number: int
    identity: str | None = None
    soft: bool = False
    pair: tuple[str, str] | None = None


@dataclass
class GeneratedPhotos:
    """An `Augmenter` that reads existing images.

    Attributes:
        folder: Folder of the images.
        by_source: Images of each source photo, in order.
        strays: Names of images whose source is not a training photo.
    """

    folder: Path
    by_source: dict[str, list[_Picture]]
    strays: list[str]
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def open(folder: Path, photos: PersonPhotos) -> "GeneratedPhotos":
        """Index the images of a folder without reading them.

        Args:
            folder: Folder of the images.
            photos: All real training photos.
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
                f"{folder} has no image generated from a training photo: neither {MANIFEST} nor "
                f"files named like {Path(photos.names[0]).stem}g1.jpg or FROM__TO.png."
            )
        for pictures in by_source.values():
            pictures.sort(key=lambda picture: (picture.number, picture.path.name))
        paths = dict(zip(photos.names, photos.paths, strict=True))
        targets = {p.pair[1] for pictures in by_source.values() for p in pictures if p.pair}
        sizes = {name: photo_size(paths[name]) for name in targets}
        return GeneratedPhotos(folder, by_source, strays, sizes)

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`; files are identified by name and size.

        Includes weights, policy, labels and number of pictures per photo, if `reid augment` wrote
        them.
        """
        digest = hashlib.sha256()
        pictures = sorted(p.path for of_one in self.by_source.values() for p in of_one)
        for path in pictures:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        made = {}
        if (settings := self.folder / SETTINGS).is_file():
            with read_back(settings):
                stated = json.loads(settings.read_text(encoding="utf-8"))
                made = {name: stated[name] for name in _STATED}
                # Folders that were written before there was a choice have painted scenes.
                if stated.get("background", "paint") != "paint":
                    made["background"] = stated["background"]
        return {
            **made,
            "folder": self.folder.resolve().name,
            "pictures": len(pictures),
            "files_sha256": digest.hexdigest(),
        }

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`; independent of the seed, the first images of every photo."""
        chosen = [
            (row, picture)
            for row, name in enumerate(kept.names)
            for picture in self.by_source.get(name, [])[:count]
        ]
        rows = torch.tensor([row for row, _ in chosen], dtype=torch.int64)
        pictures = [picture for _, picture in chosen]
        # New identities are numbered after all real ones, in the order of their names.
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
    """Wrap image files as photos without identities, to read them."""
    nobody = torch.zeros(len(paths), dtype=torch.int64)
    return PersonPhotos([path.name for path in paths], paths, [""] * len(paths), nobody)


def _listed(folder: Path, known: Mapping[str, str]) -> tuple[dict[str, list[_Picture]], list[str]]:
    """Index the images by a manifest of `reid augment`."""
    by_source: dict[str, list[_Picture]] = {}
    strays = []
    for photo in read_manifest(folder / MANIFEST):
        places = (folder / TRAIN / photo.name, folder / photo.name)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise InputError(
                f"{folder / MANIFEST} lists {photo.name}, which is neither in {folder / TRAIN} nor "
                f"in {folder}; write the data set with --format market1501."
            )
        if photo.source not in known:
            strays.append(photo.name)
            continue
        identity = photo.identity if photo.label == "new" else None
        picture = _Picture(path, photo.number, identity, photo.label == "soft")
        by_source.setdefault(photo.source, []).append(picture)
    return by_source, strays


def _named(folder: Path, known: Mapping[str, str]) -> tuple[dict[str, list[_Picture]], list[str]]:
    """Index the images by file name; the folder may also contain the real photos."""
    inside = folder / TRAIN if (folder / TRAIN).is_dir() else folder
    renamed = {market_name(name): name for name in known}  # as `reid augment` calls them
    stems = {Path(name).stem: source for name, source in renamed.items()}
    stems |= {Path(name).stem: name for name in known}
    originals = {*known, *renamed}
    by_source: dict[str, list[_Picture]] = {}
    strays = []
    for path in sorted(shown(inside.iterdir(), inside)):
        if path.suffix.lower() not in EXTENSIONS or path.name in originals:
            continue
        numbered = _NUMBERED.fullmatch(path.stem)
        if numbered is not None and numbered[1] in stems:
            picture = _Picture(path, int(numbered[2]))
            by_source.setdefault(stems[numbered[1]], []).append(picture)
        elif (pair := _pair(path.stem, stems)) is not None:
            of_one = by_source.setdefault(pair[0], [])
            # Our own naming form is for single images of any size; the others may show several.
            alone = path.stem == FORMS[0](Path(pair[0]), Path(pair[1]))
            of_one.append(_Picture(path, len(of_one) + 1, pair=None if alone else pair))
        else:
            strays.append(path.name)
    return by_source, strays


def _pair(stem: str, stems: Mapping[str, str]) -> tuple[str, str] | None:
    """Parse source and target photo from the name of a pair's image."""
    for cut in (place for place, letter in enumerate(stem) if letter == "_"):
        source = stems.get(Path(stem[:cut]).stem)
        rest = stem[cut:].removesuffix("_vis").lstrip("_").removeprefix("2_")
        target = stems.get(Path(rest).stem)
        if source is None or target is None:
            continue
        if any(form(Path(source), Path(target)) == stem for form in FORMS):
            return source, target
    return None
