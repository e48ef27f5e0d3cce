"""WebDataset shards: tar files of `<key>.jpg` and `<key>.json`.

    train-000000.tar ...             originals first, 1,000 per shard, then generated photos,
                                     as many per shard as `write_shard` gets
    query-000000.tar ..., gallery-000000.tar ...
    manifest.jsonl, augment.json

The JSON has name, identity, camera, whether the photo is generated, and joints: [x, y] in pixels in
the order of `openpose18`, null for a missing joint (and instead of the list for test photos).
Generated photos also have their manifest entry. Originals keep their bytes and their suffix. Read
the data with `webdataset.WebDataset("train-{000000..000011}.tar").decode("rgb")`.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.reid.manifest import as_json
from deformgan.reid.writers.writer import Finished, Original, Writer, in_photos

PER_SHARD = 1000  # originals per shard: 2.5 MB of Market-1501

Sample = tuple[str, bytes, dict[str, object]]


class WebDatasetWriter(Writer):
    """Writer of tar files whose bytes depend only on their contents."""

    def fill(self, folder: Path, number: int, items: Sequence[Finished]) -> None:
        """Write the tar file of a shard."""
        before = -(-len(self.photos) // PER_SHARD)  # number of shards of originals
        write_tar(folder / f"train-{before + number:06d}.tar", map(_generated, items))

    def write_originals(self) -> None:
        """Write the shards of original training photos."""
        self._write("train", list(self.originals()), in_photos(self.photos))

    def write_test(self, query: list[Original], gallery: list[Original]) -> None:
        """Write the shards of test photos."""
        self._write("query", query)
        self._write("gallery", gallery)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write no tables: their contents are in the JSON of every photo."""

    def _write(self, part: str, photos: list[Original], poses: Pose | None = None) -> None:
        for number, first in enumerate(range(0, len(photos), PER_SHARD)):
            rows = range(first, min(first + PER_SHARD, len(photos)))
            samples = (
                _original(photos[row], None if poses is None else poses[[row]]) for row in rows
            )
            with self.written(self.out / f"{part}-{number:06d}.tar") as unfinished:
                write_tar(unfinished, samples)


def write_tar(path: Path, samples: Iterable[Sample]) -> None:
    """Write a tar file.

    Args:
        path: File to write.
        samples: Name, bytes and description of each photo, in order.
    """
    # The GNU format has no machine-dependent fields and allows names of any length.
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, photo, about in samples:
            # In WebDataset, a key ends at the first dot.
            key = PurePath(name).stem.replace(".", "_")
            _add(tar, f"{key}{PurePath(name).suffix.lower()}", photo)
            _add(tar, f"{key}.json", json.dumps(about, ensure_ascii=False).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and group are 0
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _generated(item: Finished) -> Sample:
    about = as_json(item.photo) | {"generated": True, "joints": _joints(item.pose)}
    return item.photo.name, item.jpeg, about


def _original(photo: Original, pose: Pose | None) -> Sample:
    try:
        content = photo.path.read_bytes()
    except OSError as error:
        raise InputError(f"The image {photo.path} cannot be read: {error.strerror}.") from None
    return (
        photo.name,
        content,
        {
            "name": photo.name,
            "identity": photo.identity,
            "camera": photo.camera,
            "generated": False,
            "joints": None if pose is None else _joints(pose),
        },
    )


def _joints(pose: Pose) -> list[list[float] | None]:
    # Rounded to hundredths of a pixel, as in the annotation tables.
    return [
        [round(x, 2), round(y, 2)] if seen else None
        for (x, y), seen in zip(pose.joints[0].tolist(), pose.visible[0].tolist(), strict=True)
    ]
