"""Market-1501's layout with a dataset class for fast-reid.

fast-reid's own Market-1501 reader accepts identities up to 1501 and one-digit cameras; the class
written beside the photos has no such limits, so that new identities and MSMT17's fifteen cameras
work.
"""

from collections.abc import Sequence
from pathlib import Path

from deformgan.reid.writers.market1501 import Market1501Writer

ADAPTER = "fastreid_dataset.py"

# He et al., "FastReID", github.com/JDAI-CV/fast-reid, its issue 220 and fastreid/data/datasets: a
# data set is a registered subclass of ImageDataset, constructed with (train, query, gallery), lists
# of (path, identity, camera). Training identities and cameras are strings prefixed with the set's
# name, so that sets can be combined; test ones are integers.
_SOURCE = '''\
"""Register the augmented data set in this folder with fast-reid.

Add this folder to PYTHONPATH, and in the training script:

    import fastreid_dataset

and in the configuration `DATASETS.NAMES: ("DeformganAugmented",)`, `DATASETS.TESTS` likewise. The
photos are read from this file's folder, regardless of `FASTREID_DATASETS`.
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
    """Real and generated training photos, real test photos."""

    _junk_pids = [0, -1]
    dataset_name = "deformgan_augmented"

    def __init__(self, root="datasets", **options):
        train = [
            (path, f"{self.dataset_name}_{who}", f"{self.dataset_name}_{camera}")
            for path, who, camera in _photos("bounding_box_train")
        ]
        manifest = (_FOLDER / "manifest.jsonl").read_text(encoding="utf-8")
        if any(json.loads(line)["label"] == "soft" for line in manifest.splitlines()):
            warnings.warn("fast-reid has no soft labels: generated photos get their source's label")
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
    """Writer of Market-1501's layout and `fastreid_dataset.py`."""

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the annotation tables and the dataset class."""
        super().write_tables(shards)
        self.write_text(self.out / ADAPTER, [_SOURCE])
