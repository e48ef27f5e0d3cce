"""One folder per identity, as DG-Net and layumi's baseline read it.

    pytorch/train_all/<identity>/    original and generated photos
    pytorch/val/<identity>/          a copy of each identity's first photo, for a validation loss
    pytorch/query/<identity>/, pytorch/gallery/<identity>/
    pytorch/train_all/annotation.csv     joints, by <identity>/<photo>
    manifest.jsonl, augment.json

`torchvision.datasets.ImageFolder` and `datasets.Folder` read `train_all`; file names still have the
camera.

Source:
    github.com/layumi/Person_reID_baseline_pytorch, `prepare.py` (train with `--train_all`), and
    github.com/NVlabs/DG-Net, which reads `train_all` and `query`.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from deformgan.reid.writers.tree import TreeWriter

ROOT = "pytorch"
TRAIN, VAL, QUERY, GALLERY = "train_all", "val", "query", "gallery"
TABLE = "annotation.csv"


class FoldersWriter(TreeWriter):
    """Writer of one folder per identity."""

    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a training photo."""
        return PurePosixPath(ROOT, TRAIN, identity, name)

    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a query photo."""
        return PurePosixPath(ROOT, QUERY, identity, name)

    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a gallery photo."""
        return PurePosixPath(ROOT, GALLERY, identity, name)

    def table_name(self, name: str, identity: str) -> str:
        """Return the name of a photo in the annotation table."""
        return f"{identity}/{name}"

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the annotation table and the photos of `val`."""
        self.write_joints(self.out / ROOT / TRAIN / TABLE, shards)
        # All identities, so that class indices are the same in both folders.
        first: dict[str, str] = {}
        for photos in (self.originals(), self.generated(shards)):
            for photo in photos:
                first.setdefault(photo.identity, photo.name)
        for identity, name in first.items():
            train = self.out / self.train_path(name, identity)
            self.copy(train, self.out / ROOT / VAL / identity / name)
