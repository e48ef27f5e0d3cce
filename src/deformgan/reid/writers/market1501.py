"""Market-1501's own layout, which every Re-ID toolbox reads.

    bounding_box_train/              originals, and 0002_c1s1_000451_03g1.jpg ... beside them
    query/, bounding_box_test/       test photos, if the data set has any
    market-annotation-train.csv      joints: the originals', and target poses
    market-annotation-test.csv       if known
    manifest.jsonl                   origin of every generated photo
    augment.json                     settings of the run

`datasets.Market1501` reads it unchanged. Toolboxes that limit identities to 1501 and cameras to 6
reject new identities and more cameras, as in any data set with them; the layouts "torchreid" and
"fastreid" include a reader without these limits.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from deformgan.datasets.market_name import QUERY, TEST, TRAIN
from deformgan.reid.writers.tree import TreeWriter

TRAIN_TABLE, TEST_TABLE = "market-annotation-train.csv", "market-annotation-test.csv"


class Market1501Writer(TreeWriter):
    """Writer of Market-1501's layout."""

    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a training photo."""
        return PurePosixPath(TRAIN, name)

    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a query photo."""
        return PurePosixPath(QUERY, name)

    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Return the path of a gallery photo."""
        return PurePosixPath(TEST, name)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the annotation tables."""
        self.write_joints(self.out / TRAIN_TABLE, shards)
        self.write_test_joints(self.out / TEST_TABLE)
