"""Writer: base class of augmented data sets, written shard by shard and finalized once.

All output goes to a hidden folder first. A shard is committed by renaming its folder, and `finish`
moves the files to their places. Files left behind by a killed process are ignored and deleted with
the hidden folder, so the result does not depend on which process wrote which shard, in which order,
or with how many interruptions.

Originals are copied, not hard-linked: editing a linked file in place would change both data sets.
Market-1501's training photos are 30 MB.
"""

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from deformgan.datasets.cuhk03 import market_name
from deformgan.datasets.market_name import MarketName
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.splits import NoTestSplitError
from deformgan.errors import InputError
from deformgan.files import is_unfinished, read_back, remove_unfinished, written_beside
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import HEADER, read_annotation_csv, write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.reid.layout import Layout
from deformgan.reid.manifest import MANIFEST, GeneratedPhoto, iterate_manifest, write_manifest
from deformgan.reid.person_photos import PersonPhotos, query_and_gallery

SETTINGS = "augment.json"
UNFINISHED = ".unfinished"

_FILES, _JOINTS = "files", "joints.csv"


@dataclass(frozen=True)
class Finished:
    """A generated photo to write.

    Attributes:
        photo: Its manifest entry.
        jpeg: Contents of the file.
        pose: The target pose, a single one, in pixels of the file.
    """

    photo: GeneratedPhoto
    jpeg: bytes
    pose: Pose


@dataclass(frozen=True)
class Original:
    """A photo of the original data set.

    Attributes:
        name: File name in the written data set: the original, or `market_name` of it.
        path: Path of the file.
        identity: Identity of the person.
        camera: From 1.
    """

    name: str
    path: Path
    identity: str
    camera: int

    @staticmethod
    def of(photos: PhotoSet | PersonPhotos) -> "Iterator[Original]":
        """Iterate over photos in order, named in Market-1501's style."""
        for name, path, camera in zip(
            photos.names, photos.paths, photos.cameras.tolist(), strict=True
        ):
            renamed = market_name(name)
            yield Original(renamed, path, MarketName.parse(renamed).identity, camera)


class Writer(ABC):
    """An augmented data set being written.

    Subclasses define where files go and which tables are written with them.

    Attributes:
        out: Output folder.
        photos: Original training photos.
        data: Folder of the original data set.
    """

    def __init__(self, out: Path, photos: PhotoSet, data: Path, settings: Mapping[str, Any]):
        """Create the folder, or check that it was started with the same settings.

        Args:
            out: See the attributes, as for `photos` and `data`.
            photos: File names must be valid for `Labels`.
            data: Test photos are copied from it.
            settings: See `open_writer`.
        """
        self.out, self.photos, self.data = out, photos, data
        if (data / MANIFEST).exists():
            raise InputError(
                f"{data} is already augmented (it has {MANIFEST}); pass the original data set."
            )
        digest = hashlib.sha256("\n".join(photos.names).encode()).hexdigest()
        self._claim({**settings, "originals": len(photos), "originals_sha256": digest})

    @property
    def complete(self) -> bool:
        """Whether the data set is finished."""
        return (self.out / MANIFEST).is_file()

    def done(self, number: int) -> bool:
        """Return whether a shard is already written."""
        return self.complete or self._shard(number).is_dir()

    def write_shard(self, number: int, items: Sequence[Finished]) -> None:
        """Write a shard atomically; do nothing if it is already written.

        Args:
            number: Number of the shard, from 0, without gaps. Different processes may write
                different shards.
            items: Photos of the shard, in order.
        """
        if self.done(number):
            return
        with self._writing():
            unfinished = self.out / UNFINISHED / f"{uuid4().hex}.part"
            (unfinished / _FILES).mkdir(parents=True)
            self.fill(unfinished / _FILES, number, items)
            poses = Pose.cat([item.pose for item in items]) if items else _no_poses()
            names = [self.table_name(item.photo.name, item.photo.identity) for item in items]
            write_annotation_csv(unfinished / _JOINTS, Annotations(names, poses))
            write_manifest(unfinished / MANIFEST, (item.photo for item in items))
            try:
                unfinished.rename(self._shard(number))
            except OSError:
                # Another process was faster, with the same bytes.
                if not self.done(number):
                    raise
                shutil.rmtree(unfinished)

    def finish(self, shards: int | None = None) -> None:
        """Move everything to its place, the manifest last; this is idempotent.

        Only one process may call this, after all shards are written.

        Args:
            shards: Expected number of shards; None accepts those that exist.
        """
        with self._writing():
            if not self.complete:
                self._put_in_place(self._shards(shards))
            shutil.rmtree(self.out / UNFINISHED, ignore_errors=True)
            remove_unfinished(self.out)  # a report, if a process was killed while writing it

    # Overridden by each layout.

    @abstractmethod
    def fill(self, folder: Path, number: int, items: Sequence[Finished]) -> None:
        """Write the files of a shard, at their final paths relative to `out`."""

    @abstractmethod
    def write_originals(self) -> None:
        """Write the photos of `originals` to their places."""

    @abstractmethod
    def write_test(self, query: list[Original], gallery: list[Original]) -> None:
        """Write the test photos to their places."""

    @abstractmethod
    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the files beside the photos, except the manifest."""

    def table_name(self, name: str, identity: str) -> str:
        """Return the name of a photo in the annotation table."""
        return name

    # Shared by all layouts.

    def originals(self) -> Iterator[Original]:
        """Iterate over the original training photos, in order."""
        return Original.of(self.photos)

    @cached_property
    def test_sides(self) -> tuple[list[Original], list[Original]]:
        """Query and gallery of the data set, empty if it has no test set."""
        return sides_to_test_on(self.data)

    def write_joints(self, path: Path, shards: Sequence[Path]) -> None:
        """Write the annotation table: known poses of originals, target poses of generated photos.

        Args:
            path: Path of the table.
            shards: Folders of the shards.
        """
        names = [self.table_name(photo.name, photo.identity) for photo in self.originals()]
        head = self.out / UNFINISHED / "originals.csv"
        write_annotation_csv(head, Annotations(names, in_photos(self.photos)))
        self.join(path, [head, *(shard / _JOINTS for shard in shards)], header=HEADER)

    def write_test_joints(self, path: Path) -> None:
        """Write the annotation table of the gallery, if the data set has one.

        Args:
            path: Path of the table.
        """
        wanted = self.test_sides[1]
        for table in Layout.find(self.data).test_tables:
            if wanted and table.is_file():
                annotations = read_annotation_csv(table)
                known = [photo for photo in wanted if photo.path.name in annotations]
                if known:
                    poses = annotations.select([photo.path.name for photo in known]).pose
                    with self.written(path) as unfinished:
                        write_annotation_csv(
                            unfinished, Annotations([photo.name for photo in known], poses)
                        )
                    return

    def written(self, target: Path) -> AbstractContextManager[Path]:
        """Write a file atomically, as `written_beside` does, but first in the hidden folder."""
        target.parent.mkdir(parents=True, exist_ok=True)
        return written_beside(target, self.out / UNFINISHED)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file's contents atomically."""
        try:
            file = source.open("rb")
        except OSError as error:
            raise InputError(f"The image {source} cannot be read: {error.strerror}.") from None
        with file, self.written(target) as unfinished, unfinished.open("wb") as copied:
            shutil.copyfileobj(file, copied)

    def move(self, source: Path, target: Path) -> None:
        """Move a file within `out` to its place, overwriting an existing one."""
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)

    def write_text(self, target: Path, text: Iterable[str]) -> None:
        """Write a text file atomically.

        Args:
            target: File to write.
            text: Pieces of the text.
        """
        with (
            self.written(target) as unfinished,
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            file.writelines(text)

    def join(self, target: Path, parts: Iterable[Path], header: str | None = None) -> None:
        """Concatenate text files.

        Args:
            target: File to write.
            parts: Files in order.
            header: First line of every part, to be written only once.
        """

        def lines() -> Iterator[str]:
            if header is not None:
                yield header + "\n"
            for part in parts:
                with part.open(encoding="utf-8", newline="") as file:
                    if header is not None:
                        next(file)
                    yield from file

        self.write_text(target, lines())

    def generated(self, shards: Sequence[Path]) -> Iterator[GeneratedPhoto]:
        """Iterate over all generated photos in order."""
        for shard in shards:
            yield from iterate_manifest(shard / MANIFEST)

    def _put_in_place(self, shards: Sequence[Path]) -> None:
        names: set[str] = set()
        for photo in self.generated(shards):
            assert photo.name not in names, f"{photo.name} is in two shards"
            names.add(photo.name)
        self.write_originals()
        self.write_test(*self.test_sides)
        for shard in shards:
            # A sorted list, so that moving files does not disturb the iteration.
            for file in sorted(path for path in (shard / _FILES).rglob("*") if path.is_file()):
                self.move(file, self.out / file.relative_to(shard / _FILES))
        self.write_tables(shards)
        self.join(self.out / MANIFEST, [shard / MANIFEST for shard in shards])

    def _shard(self, number: int) -> Path:
        return self.out / UNFINISHED / f"shard-{number:06d}"

    def _shards(self, wanted: int | None) -> list[Path]:
        folders = (self.out / UNFINISHED).glob("shard-*")
        numbers = sorted(int(folder.name.rpartition("-")[2]) for folder in folders)
        missing = set(range(max(numbers, default=-1) + 1 if wanted is None else wanted)) - {
            *numbers
        }
        if missing:
            raise ValueError(f"shard {min(missing)} is missing ({len(numbers)} are written).")
        return [self._shard(number) for number in numbers]

    def _claim(self, settings: dict[str, Any]) -> None:
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        file = self.out / SETTINGS
        with self._writing():
            if file.is_file():
                self._compare(file.read_text(encoding="utf-8", errors="replace"), text)
            # Another process may be writing the settings at this moment.
            elif self.out.is_dir() and {
                path.name for path in self.out.iterdir() if not is_unfinished(path)
            } - {UNFINISHED, SETTINGS}:
                raise InputError(
                    f"{self.out} is not empty and has no {SETTINGS}; choose another folder."
                )
            if not self.complete:
                (self.out / UNFINISHED).mkdir(parents=True, exist_ok=True)
            if not file.is_file():
                self.write_text(file, [text])

    def _compare(self, there: str, wanted: str) -> None:
        """Raise an error if the folder was started with other settings, naming the first."""
        if there == wanted:
            return
        with read_back(self.out / SETTINGS, "choose another folder or delete this one"):
            before, now = json.loads(there), json.loads(wanted)
            keys = [key for key in sorted({**before, **now}) if before.get(key) != now.get(key)]
        if keys:
            key = keys[0]
            raise InputError(
                f"{self.out} was started with other settings: {key} was {before.get(key)!r} and is "
                f"now {now.get(key)!r}; choose another folder or delete this one."
            )

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Turn a full disk or missing permissions into a one-line error."""
        try:
            yield
        except OSError as error:
            raise InputError(f"Cannot write {self.out}: {error.strerror or error}.") from error


def sides_to_test_on(data: Path) -> tuple[list[Original], list[Original]]:
    """Return query and gallery of a data set, empty if it has no test set."""
    try:
        query, gallery = query_and_gallery(data)
    except NoTestSplitError:
        return [], []
    return list(Original.of(query)), list(Original.of(gallery))


def in_photos(photos: PhotoSet) -> Pose:
    """Return poses in pixels of the photo files, regardless of the image size."""
    if photos.framings is None:
        return photos.poses
    rows = enumerate(photos.framings)
    return Pose.cat([_unframed(framing, photos.poses[[row]]) for row, framing in rows])


def _unframed(framing: Framing, pose: Pose) -> Pose:
    corner = pose.joints.new_tensor([framing.left, framing.top])
    scale = pose.joints.new_tensor([framing.scale_x, framing.scale])
    return Pose((pose.joints + 0.5) / scale + corner, pose.visible)


def _no_poses() -> Pose:
    return Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
