"""A folder for each identity, as DG-Net and layumi's baseline read it.

    pytorch/train_all/<identity>/    originals and generated photos
    pytorch/val/<identity>/          the first of them again, for baselines that watch their loss
    pytorch/query/<identity>/, pytorch/gallery/<identity>/
    pytorch/train_all/annotation.csv     joints, by <identity>/<photo>
    manifest.jsonl, augment.json

`torchvision.datasets.ImageFolder` and `datasets.Folder` read `train_all`; names keep the camera.

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
    """Writes a folder for each identity."""

    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a photo to train on."""
        return PurePosixPath(ROOT, TRAIN, identity, name)

    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a query."""
        return PurePosixPath(ROOT, QUERY, identity, name)

    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a photo of the gallery."""
        return PurePosixPath(ROOT, GALLERY, identity, name)

    def table_name(self, name: str, identity: str) -> str:
        """Gives what the table of joints calls a photo."""
        return f"{identity}/{name}"

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Writes the table of joints, and the photos of `val`."""
        self.write_joints(self.out / ROOT / TRAIN / TABLE, shards)
        # Everybody, so that the classes of both folders have the same numbers.
        first: dict[str, str] = {}
        for photos in (self.originals(), self.generated(shards)):
            for photo in photos:
                first.setdefault(photo.identity, photo.name)
        for identity, name in first.items():
            train = self.out / self.train_path(name, identity)
            self.copy(train, self.out / ROOT / VAL / identity / name)
