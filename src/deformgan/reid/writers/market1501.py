"""Market-1501's own layout, which every toolbox of the field reads.

    bounding_box_train/              originals, and 0002_c1s1_000451_03g1.jpg ... beside them
    query/, bounding_box_test/       the photos to test on, where the data set has any
    market-annotation-train.csv      joints: the originals', and those asked for
    market-annotation-test.csv       where they are known
    manifest.jsonl                   what every generated photo was made from
    augment.json                     the settings of the run

`datasets.Market1501` reads it as it is. Toolboxes that check that identities are at most 1501 and
cameras at most 6 refuse new identities, and more cameras, here as in any data set that has them:
the layouts "torchreid" and "fastreid" come with a reader that does not.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from deformgan.datasets.market1501 import QUERY, TEST, TRAIN
from deformgan.reid.writers.tree import TreeWriter

TRAIN_TABLE, TEST_TABLE = "market-annotation-train.csv", "market-annotation-test.csv"


class Market1501Writer(TreeWriter):
    """Writes Market-1501's layout."""

    def train_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a photo to train on."""
        return PurePosixPath(TRAIN, name)

    def query_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a query."""
        return PurePosixPath(QUERY, name)

    def gallery_path(self, name: str, identity: str) -> PurePosixPath:
        """Gives the path of a photo of the gallery."""
        return PurePosixPath(TEST, name)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Writes the tables of joints."""
        self.write_joints(self.out / TRAIN_TABLE, shards)
        self.write_test_joints(self.out / TEST_TABLE)
