"""Market-1501's layout with a dataset class for torchreid.

torchreid's own Market-1501 reader accepts identities up to 1501 and one-digit cameras; the class
written beside the photos has no such limits, so that new identities and MSMT17's fifteen cameras
work.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.reid.writers.market1501 import Market1501Writer
from deformgan.reid.writers.writer import sides_to_test_on

ADAPTER = "torchreid_dataset.py"

# Zhou and Xiang, "Torchreid", github.com/KaiyangZhou/deep-person-reid: a data set is a subclass of
# ImageDataset, constructed with (train, query, gallery), lists of (path, identity, camera);
# training identities and all cameras are numbered from 0; register_image_dataset registers it by
# name.
_SOURCE = '''\
"""Register the augmented data set in this folder with torchreid.

Add this folder to PYTHONPATH, then:

    import torchreid_dataset
    torchreid.data.ImageDataManager(sources=torchreid_dataset.NAME, ...)

The photos are read from this file's folder, regardless of `root`.
"""

import json
import re
import warnings
from pathlib import Path

try:
    from torchreid.data import ImageDataset, register_image_dataset
except ImportError:  # the released package nests the library one level deeper
    from torchreid.reid.data import ImageDataset, register_image_dataset

NAME = "deformgan_augmented"

_FOLDER = Path(__file__).resolve().parent
_PHOTO = re.compile(r"(-1|\\d+)_c(\\d+).*\\.(?:jpe?g|png)", re.IGNORECASE)


class DeformganAugmented(ImageDataset):
    """Real and generated training photos, real test photos."""

    _junk_pids = [0, -1]
    dataset_dir = ""

    def __init__(self, root="", **options):
        train, query, gallery = (
            list(_photos(part)) for part in ("bounding_box_train", "query", "bounding_box_test")
        )
        number = {who: n for n, who in enumerate(sorted({who for _, who, _ in train}))}
        train = [(path, number[who], camera) for path, who, camera in train]
        manifest = (_FOLDER / "manifest.jsonl").read_text(encoding="utf-8")
        if any(json.loads(line)["label"] == "soft" for line in manifest.splitlines()):
            warnings.warn("torchreid has no soft labels: generated photos get their source's label")
        super().__init__(train, query, gallery, **options)


def _photos(part):
    for path in sorted((_FOLDER / part).iterdir()):
        match = _PHOTO.fullmatch(path.name)
        if match is not None and match[1] != "-1":  # junk
            yield str(path), int(match[1]), int(match[2]) - 1


register_image_dataset(NAME, DeformganAugmented)
'''


class TorchreidWriter(Market1501Writer):
    """Writer of Market-1501's layout and `torchreid_dataset.py`."""

    def __init__(self, out: Path, photos: PhotoSet, data: Path, settings: Mapping[str, Any]):
        """Open the folder, see `Writer`; the data set must have a test set."""
        if not all(sides_to_test_on(data)):
            raise InputError(
                f"torchreid needs query and gallery, and {data} has neither these nor "
                "identity-split.json; choose the layout market1501."
            )
        super().__init__(out, photos, data, settings)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Write the annotation tables and the dataset class."""
        super().write_tables(shards)
        self.write_text(self.out / ADAPTER, [_SOURCE])
