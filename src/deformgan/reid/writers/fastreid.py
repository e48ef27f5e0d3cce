"""Market-1501's layout and a reader for fast-reid.

fast-reid's own reader of Market-1501 takes identities up to 1501 and the first digit of the camera;
the one that is written beside the photos takes any, so that new identities and MSMT17's fifteen
cameras work.
"""

from collections.abc import Sequence
from pathlib import Path

from deformgan.reid.writers.market1501 import Market1501Writer

ADAPTER = "fastreid_dataset.py"

# He et al., "FastReID", github.com/JDAI-CV/fast-reid, its issue 220 and fastreid/data/datasets: a
# data set is a registered class below ImageDataset, made with (train, query, gallery), lists of
# (path, identity, camera); to train on, identity and camera are texts that begin with the set's
# name, so that sets can be joined; to test on they are numbers.
_SOURCE = '''\
"""Makes fast-reid know the augmented data set in this folder.

With this folder on the path of Python, in the script that trains:

    import fastreid_dataset

and in the configuration `DATASETS.NAMES: ("DeformganAugmented",)`, `DATASETS.TESTS` likewise. The
photos are those beside this file, whatever `FASTREID_DATASETS` says.
"""

import json
import re
import warnings
from pathlib import Path

from fastreid.data.datasets import DATASET_REGISTRY
from fastreid.data.datasets.bases import ImageDataset

_FOLDER = Path(__file__).resolve().parent
_PHOTO = re.compile(r"(-1|\\d+)_c(\\d+).*\\.(?:jpe?g|png)", re.IGNORECASE)


@DATASET_REGISTRY.register()
class DeformganAugmented(ImageDataset):
    """Real and generated photos to train on, real ones to test on."""

    _junk_pids = [0, -1]
    dataset_name = "deformgan_augmented"

    def __init__(self, root="datasets", **options):
        train = [
            (path, f"{self.dataset_name}_{who}", f"{self.dataset_name}_{camera}")
            for path, who, camera in _photos("bounding_box_train")
        ]
        manifest = (_FOLDER / "manifest.jsonl").read_text(encoding="utf-8")
        if any(json.loads(line)["label"] == "soft" for line in manifest.splitlines()):
            warnings.warn("fast-reid has no soft labels: generated photos count as their source's.")
        query, gallery = list(_photos("query")), list(_photos("bounding_box_test"))
        super().__init__(train, query, gallery, **options)


def _photos(part):
    folder = _FOLDER / part
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _PHOTO.fullmatch(path.name)
        if match is not None and match[1] != "-1":  # junk
            yield str(path), int(match[1]), int(match[2]) - 1
'''


class FastreidWriter(Market1501Writer):
    """Writes Market-1501's layout and `fastreid_dataset.py`."""

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Writes the tables of joints and the reader."""
        super().write_tables(shards)
        self.write_text(self.out / ADAPTER, [_SOURCE])
