"""TreeWriter: layouts in which every photo is a file."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from deformgan.reid.writers.writer import Finished, Original, Writer


class TreeWriter(Writer):
    """Writes every photo to a path that follows from its name and identity."""

    @abstractmethod
    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path below `out` of a photo to train on."""

    @abstractmethod
    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a query."""

    @abstractmethod
    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a photo of the gallery."""

    def fill(self, folder: Path, number: int, items: Sequence[Finished]) -> None:
        """Writes the generated photos of a shard."""
        for item in items:
            path = folder / self.train_path(item.photo.name, item.photo.identity)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.jpeg)

    def write_originals(self) -> None:
        """Copies the photos to train on."""
        for photo in self.originals():
            self.copy(photo.path, self.out / self.train_path(photo.name, photo.identity))

    def write_test(self, query: list[Original], gallery: list[Original]) -> None:
        """Copies the photos to test on."""
        for photo in query:
            self.copy(photo.path, self.out / self.query_path(photo.name, photo.identity))
        for photo in gallery:
            self.copy(photo.path, self.out / self.gallery_path(photo.name, photo.identity))
