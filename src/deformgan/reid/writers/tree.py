"""TreeWriter: base class of layouts with one file per photo."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from deformgan.reid.writers.writer import Finished, Original, Writer


class TreeWriter(Writer):
    """Writer that derives each photo's path from its name and identity."""

    @abstractmethod
    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a training photo, relative to `out`."""

    @abstractmethod
    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a query photo."""

    @abstractmethod
    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a gallery photo."""

    def fill(self, folder: Path, number: int, items: Sequence[Finished]) -> None:
        """Write the generated photos of a shard."""
        for item in items:
            path = folder / self.train_path(item.photo.name, item.photo.identity)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.jpeg)

    def write_originals(self) -> None:
        """Copy the original training photos."""
        for photo in self.originals():
            self.copy(photo.path, self.out / self.train_path(photo.name, photo.identity))

    def write_test(self, query: list[Original], gallery: list[Original]) -> None:
        """Copy the test photos."""
        for photo in query:
            self.copy(photo.path, self.out / self.query_path(photo.name, photo.identity))
        for photo in gallery:
            self.copy(photo.path, self.out / self.gallery_path(photo.name, photo.identity))
