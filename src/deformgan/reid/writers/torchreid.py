"""Market-1501's layout and a reader for torchreid.

torchreid's own reader of Market-1501 takes identities up to 1501 and the first digit of the camera;
the one that is written beside the photos takes any, so that new identities and MSMT17's fifteen
cameras work.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.reid.writers.market1501 import Market1501Writer
from deformgan.reid.writers.writer import sides_to_test_on

ADAPTER = "torchreid_dataset.py"

# Zhou and Xiang, "Torchreid", github.com/KaiyangZhou/deep-person-reid: a data set is a class below
# ImageDataset, made with (train, query, gallery), lists of (path, identity, camera); identities to
# train on and all cameras are numbered from 0; register_image_dataset gives it a name.
_SOURCE = '''\
"""Makes torchreid know the augmented data set in this folder.

With this folder on the path of Python:

    import torchreid_dataset
    torchreid.data.ImageDataManager(sources=torchreid_dataset.NAME, ...)

The photos are those beside this file, whatever `root` says.
"""

import json
import re
import warnings
from pathlib import Path

try:
    from torchreid.data import ImageDataset, register_image_dataset
except ImportError:  # as the package index has it, the library is one level deeper
    from torchreid.reid.data import ImageDataset, register_image_dataset

NAME = "deformgan_augmented"

_FOLDER = Path(__file__).resolve().parent
_PHOTO = re.compile(r"(-1|\\d+)_c(\\d+).*\\.(?:jpe?g|png)", re.IGNORECASE)


class DeformganAugmented(ImageDataset):
    """Real and generated photos to train on, real ones to test on."""

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
            warnings.warn("torchreid has no soft labels: generated photos count as their source's.")
        super().__init__(train, query, gallery, **options)


def _photos(part):
    for path in sorted((_FOLDER / part).iterdir()):
        match = _PHOTO.fullmatch(path.name)
        if match is not None and match[1] != "-1":  # junk
            yield str(path), int(match[1]), int(match[2]) - 1


register_image_dataset(NAME, DeformganAugmented)
'''


class TorchreidWriter(Market1501Writer):
    """Writes Market-1501's layout and `torchreid_dataset.py`."""

    def __init__(self, out: Path, photos: PhotoSet, data: Path, settings: Mapping[str, Any]):
        """Opens the folder, see `Writer`, if there is a test set, which torchreid does need."""
        if not all(sides_to_test_on(data)):
            raise InputError(
                f"torchreid reads no data set without query and gallery, and {data} has neither "
                "these nor identity-split.json; the layout market1501 does without."
            )
        super().__init__(out, photos, data, settings)

    def write_tables(self, shards: Sequence[Path]) -> None:
        """Writes the tables of joints and the reader."""
        super().write_tables(shards)
        self.write_text(self.out / ADAPTER, [_SOURCE])
