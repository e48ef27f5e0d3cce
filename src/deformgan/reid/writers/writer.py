"""Writer: an augmented data set that grows shard by shard and is finished once, at the end.

Whatever is written lies in a hidden folder first. A shard becomes done by one renaming of its
folder, and `finish` moves the files to their places. Files that a killed process left behind are
never looked at and go with the hidden folder, so what is there in the end does not depend on who
wrote which shard, in which order, or how often it was interrupted.

Originals are copied, not linked: a hard link would share its bytes with the user's own data set,
and whoever edits one of the two in place would have changed both. Market-1501's training photos
are 30 MB.
"""

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.splits import NoTestSplitError
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import HEADER, read_annotation_csv, write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.reid.manifest import MANIFEST, GeneratedPhoto, iterate_manifest, write_manifest
from deformgan.reid.person_photos import PersonPhotos, query_and_gallery

SETTINGS = "augment.json"
UNFINISHED = ".unfinished"

_FILES, _JOINTS = "files", "joints.csv"
_TEST_TABLES = ("market-annotation-test.csv", "market-annotation-train.csv", "annotation.csv")


@dataclass(frozen=True)
class Finished:
    """A generated photo that is to be kept.

    Attributes:
        photo: What the manifest says of it.
        jpeg: The file.
        pose: The pose that was asked for, one, in pixels of the file.
    """

    photo: GeneratedPhoto
    jpeg: bytes
    pose: Pose


@dataclass(frozen=True)
class Original:
    """A photo of the data set that was augmented.

    Attributes:
        name: Its file name.
        path: Where it is.
        identity: Who it shows.
        camera: From 1.
    """

    name: str
    path: Path
    identity: str
    camera: int


class Writer(ABC):
    """An augmented data set in the making.

    A writer of one layout says where files go and which tables lie beside them.

    Attributes:
        out: The folder.
        photos: The originals, all to train on.
        data: The folder that they are from.
    """

    def __init__(self, out: Path, photos: PhotoSet, data: Path, settings: Mapping[str, Any]):
        """Makes the folder, or checks that what is there was begun with the same settings.

        Args:
            out: See the attributes, like `photos` and `data`.
            photos: With names as `Labels` takes them.
            data: Photos to test on are taken from it.
            settings: See `open_writer`.
        """
        self.out, self.photos, self.data = out, photos, data
        if (data / MANIFEST).exists():
            raise InputError(
                f"{data} is itself augmented (it has {MANIFEST}); give the set it was made from."
            )
        digest = hashlib.sha256("\n".join(photos.names).encode()).hexdigest()
        self._claim({**settings, "originals": len(photos), "originals_sha256": digest})

    @property
    def complete(self) -> bool:
        """Whether everything is in its place."""
        return (self.out / MANIFEST).is_file()

    def done(self, number: int) -> bool:
        """Tells whether a shard need not be written any more."""
        return self.complete or self._shard(number).is_dir()

    def write_shard(self, number: int, items: Sequence[Finished]) -> None:
        """Writes a shard, all of it or nothing; one that is done is left as it is.

        Args:
            number: From 0, without gaps. Several processes may write different ones.
            items: Its photos, in order.
        """
        if self.done(number):
            return
        with self._writing():
            beside = self.beside()
            (beside / _FILES).mkdir(parents=True)
            self.fill(beside / _FILES, number, items)
            poses = Pose.cat([item.pose for item in items]) if items else _no_poses()
            names = [self.table_name(item.photo.name, item.photo.identity) for item in items]
            write_annotation_csv(beside / _JOINTS, Annotations(names, poses))
            write_manifest(beside / MANIFEST, (item.photo for item in items))
            try:
                beside.rename(self._shard(number))
            except OSError:
                # Another process was faster; its bytes are the same.
                if not self.done(number):
                    raise
                shutil.rmtree(beside)

    def finish(self, shards: int | None = None) -> None:
        """Puts everything in its place, and the manifest last; calling it again changes nothing.

        Only one process may do so, after all shards are done.

        Args:
            shards: How many there must be; None for as many as there are.
        """
        with self._writing():
            if not self.complete:
                self._put_in_place(self._shards(shards))
            shutil.rmtree(self.out / UNFINISHED, ignore_errors=True)

    # What the layouts differ in.

    @abstractmethod
    def fill(self, folder: Path, number: int, items: Sequence[Finished]) -> None:
        """Writes the files of a shard, under the paths that they shall have below `out`."""

    @abstractmethod
    def write_originals(self) -> None:
        """Writes the photos of `originals` to their places."""

    @abstractmethod
    def write_test(self, query: list[Original], gallery: list[Original]) -> None:
        """Writes the photos to test on to their places."""

    @abstractmethod
    def write_tables(self, shards: Sequence[Path]) -> None:
        """Writes what lies beside the photos, the manifest excepted."""

    def table_name(self, name: str, identity: str) -> str:
        """Gives what the table of joints calls a photo."""
        return name

    # What they share.

    def originals(self) -> Iterator[Original]:
        """Gives the photos to train on, in order."""
        photos = self.photos
        for name, path, who, camera in zip(
            photos.names, photos.paths, photos.identities, photos.cameras.tolist(), strict=True
        ):
            yield Original(name, path, who, camera)

    @cached_property
    def test_sides(self) -> tuple[list[Original], list[Original]]:
        """Query and gallery of the data set, empty where it says nothing of a test."""
        return sides_to_test_on(self.data)

    def write_joints(self, path: Path, shards: Sequence[Path]) -> None:
        """Writes the table of joints: the originals' as they are known, the others' as asked for.

        Args:
            path: The table.
            shards: The folders of the shards.
        """
        names = [self.table_name(photo.name, photo.identity) for photo in self.originals()]
        head = self.out / UNFINISHED / "originals.csv"
        write_annotation_csv(head, Annotations(names, in_photos(self.photos)))
        self.join(path, [head, *(shard / _JOINTS for shard in shards)], header=HEADER)

    def write_test_joints(self, path: Path) -> None:
        """Writes the table of the gallery's joints, if the data set knows any.

        Args:
            path: The table.
        """
        wanted = [photo.name for photo in self.test_sides[1]]
        for table in _TEST_TABLES:
            if wanted and (self.data / table).is_file():
                annotations = read_annotation_csv(self.data / table)
                known = [name for name in wanted if name in annotations]
                if known:
                    beside = self.beside()
                    write_annotation_csv(beside, annotations.select(known))
                    self.move(beside, path)
                    return

    def beside(self) -> Path:
        """Gives a path, in the same file system, that nobody else writes to."""
        return self.out / UNFINISHED / f"{uuid4().hex}.part"

    def copy(self, source: Path, target: Path) -> None:
        """Copies a file's bytes, all of them or none."""
        try:
            file = source.open("rb")
        except OSError as error:
            raise InputError(f"The image {source} cannot be read: {error.strerror}.") from None
        beside = self.beside()
        with file, beside.open("wb") as copied:
            shutil.copyfileobj(file, copied)
        self.move(beside, target)

    def move(self, source: Path, target: Path) -> None:
        """Moves a file within `out` to its place, over whatever is there."""
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)

    def write_text(self, target: Path, text: Iterable[str]) -> None:
        """Writes a text file, whole or not at all.

        Args:
            target: The file.
            text: Pieces of it.
        """
        beside = self.beside()
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(text)
        self.move(beside, target)

    def join(self, target: Path, parts: Iterable[Path], header: str | None = None) -> None:
        """Joins text files.

        Args:
            target: The file to write.
            parts: Files in order.
            header: A line that every part begins with and that is to be written once.
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
        """Gives all generated photos in order."""
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
            # Sorted, so that none is missed while the folder shrinks.
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
            raise ValueError(f"shard {min(missing)} is missing ({len(numbers)} are done).")
        return [self._shard(number) for number in numbers]

    def _claim(self, settings: dict[str, Any]) -> None:
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        file = self.out / SETTINGS
        with self._writing():
            if file.is_file():
                self._compare(file.read_text(encoding="utf-8"), text)
            # Another process may be writing the settings just now.
            elif self.out.is_dir() and {p.name for p in self.out.iterdir()} - {
                UNFINISHED,
                SETTINGS,
            }:
                raise InputError(
                    f"{self.out} is not empty and holds no {SETTINGS}; give another folder."
                )
            if not self.complete:
                (self.out / UNFINISHED).mkdir(parents=True, exist_ok=True)
            if not file.is_file():
                self.write_text(file, [text])

    def _compare(self, there: str, wanted: str) -> None:
        """Raises where the folder was begun with other settings, and says which."""
        if there == wanted:
            return
        try:
            before, now = json.loads(there), json.loads(wanted)
            key = next(key for key in sorted({**before, **now}) if before.get(key) != now.get(key))
        except (ValueError, TypeError):
            raise InputError(f"{self.out / SETTINGS} is not a file of settings.") from None
        raise InputError(
            f"{self.out} was begun with other settings: {key} was {before.get(key)!r} and is now "
            f"{now.get(key)!r}; give another folder, or remove that one."
        )

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Turns a full disk, or a folder that may not be written to, into one line."""
        try:
            yield
        except OSError as error:
            raise InputError(f"Cannot write {self.out}: {error.strerror or error}.") from error


def sides_to_test_on(data: Path) -> tuple[list[Original], list[Original]]:
    """Gives query and gallery of a data set, empty where it says nothing of a test."""
    try:
        query, gallery = query_and_gallery(data)
    except NoTestSplitError:
        return [], []
    return _as_originals(query), _as_originals(gallery)


def in_photos(photos: PhotoSet) -> Pose:
    """Gives poses in pixels of the photos' files, whatever size the images are brought to."""
    if photos.framings is None:
        return photos.poses
    rows = enumerate(photos.framings)
    return Pose.cat([_unframed(framing, photos.poses[[row]]) for row, framing in rows])


def _unframed(framing: Framing, pose: Pose) -> Pose:
    corner = pose.joints.new_tensor([framing.left, framing.top])
    scale = pose.joints.new_tensor([framing.scale_x, framing.scale])
    return Pose((pose.joints + 0.5) / scale + corner, pose.visible)


def _as_originals(photos: PersonPhotos) -> list[Original]:
    cameras = photos.cameras.tolist()
    columns = zip(photos.names, photos.paths, photos.identities, cameras, strict=True)
    return [Original(*column) for column in columns]


def _no_poses() -> Pose:
    return Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
