"""Photos in one folder per part, each with a CSV table.

train/, train.csv                original and generated photos
query/, query.csv, gallery/, gallery.csv
train-joints.csv                 joints, in the usual annotation format
gallery-joints.csv               if known
manifest.jsonl, augment.json
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from deformgan.reid.manifest import GeneratedPhoto
from deformgan.reid.writers.tree import TreeWriter
from deformgan.reid.writers.writer import Original

TRAIN, QUERY, GALLERY = "train", "query", "gallery"
HEADER = ("name", "identity", "camera", "generated", "label", "source", "target")


class CsvWriter(TreeWriter):
    """Writer of photos and CSV tables; label, source and target of real photos are empty."""

    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a training photo."""
        return PurePosixPath(TRAIN, name)

    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a query photo."""
        return PurePosixPath(QUERY, name)

    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a gallery photo."""
        return PurePosixPath(GALLERY, name)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the tables of photos and joints."""
        self.write_joints(self.out / f"{TRAIN}-joints.csv", shards)
        self.write_test_joints(self.out / f"{GALLERY}-joints.csv")
        self.write_text(self.out / f"{TRAIN}.csv", _lines(self.originals(), self.generated(shards)))
        for part, photos in zip((QUERY, GALLERY), self.test_sides, strict=True):
            if photos:
                self.write_text(self.out / f"{part}.csv", _lines(photos))


def _lines(
    originals: Iterable[Original], generated: Iterable[GeneratedPhoto] = ()
) -> Iterator[str]:
    yield _line(HEADER)
    for photo in originals:
        yield _line((photo.name, photo.identity, photo.camera, 0, "", "", ""))
    for new in generated:
        yield _line((new.name, new.identity, new.camera, 1, new.label, new.source, new.target))


def _line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
